"""Is there a Kafka broker that can serve? Asked on the wire, without a client.

A listening port is not enough: a broker that has just started accepts connections but is "fenced" until
its controller lets it serve, and creating a topic fails till then. Only brokers that serve appear in the
answer to a metadata request. A client library would do, but logs every failed attempt as an error.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Final

_METADATA_KEY: Final = 3
_METADATA_VERSION: Final = 1
_CORRELATION_ID: Final = 0x51C1CE
_CLIENT_ID: Final = b"sluice-ready"
_REQUEST: Final = (
    struct.pack(">hhih", _METADATA_KEY, _METADATA_VERSION, _CORRELATION_ID, len(_CLIENT_ID))
    + _CLIENT_ID
    + struct.pack(">i", 0)  # no topics: only the brokers are of interest
)
_SMALLEST_ANSWER: Final = 8
_LARGEST_ANSWER: Final = 1_000_000


async def brokers_serving(host: str, port: int, deadline_s: float = 2.0) -> int:
    """How many brokers the cluster behind this address has ready to serve; 0 when nothing answers."""
    try:
        async with asyncio.timeout(deadline_s):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(struct.pack(">i", len(_REQUEST)) + _REQUEST)
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                if not _SMALLEST_ANSWER <= size <= _LARGEST_ANSWER:
                    return 0
                correlation_id, brokers = struct.unpack(">ii", (await reader.readexactly(size))[:8])
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return 0
    return max(0, brokers) if correlation_id == _CORRELATION_ID else 0


async def any_answers(bootstrap: str, deadline_s: float = 2.0) -> bool:
    """Whether any of `host:port,host:port` is a Kafka broker that can serve."""
    for server in bootstrap.split(","):
        host, _, port = server.strip().rpartition(":")
        if port.isdigit() and await brokers_serving(host.strip("[]"), int(port), deadline_s):
            return True
    return False
