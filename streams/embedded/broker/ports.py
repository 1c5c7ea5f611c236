"""Ports on this machine: picking a free one, asking whether one is taken.

Ports are picked below the range from which the kernel gives out the ports of outgoing connections. A
broker that restarts on its port could otherwise find it given away; worse, a client that keeps
connecting to a dead port of that range can at last connect to itself and then holds the port.
"""

from __future__ import annotations

import random
import socket
from typing import Final

from streams.embedded.broker.errors import BrokerStartError

LOOPBACK: Final = "127.0.0.1"
_PICKED_FROM: Final = range(20_000, 32_000)
_TRIES: Final = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the brokers do: connections of an earlier run in TIME_WAIT are no obstacle, a listener is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def pick_free(*, but: frozenset[int] = frozenset()) -> int:
    """A port on which nothing listens, drawn at random so that concurrent callers rarely meet."""
    draw = random.SystemRandom()
    for _ in range(_TRIES):
        port = draw.choice(_PICKED_FROM)
        if port not in but and is_free(port):
            return port
    problem = f"No free port was found between {_PICKED_FROM.start} and {_PICKED_FROM.stop}."
    raise BrokerStartError(problem, cure="Name a port yourself.")
