"""Tansu, a Kafka-compatible broker in one binary, as the embedded broker where there is no Java.

It keeps everything in memory and cannot do all that Apache Kafka can; `meaning` says what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from streams.embedded.broker import ports

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.embedded.broker.machine import Machine


@dataclass(frozen=True, slots=True)
class Tansu:
    """Tansu, ready to be started."""

    kind: ClassVar[Literal["tansu"]] = "tansu"
    durable: ClassVar[bool] = False
    idempotent: ClassVar[bool] = False
    start_cure: ClassVar[str] = "Install Java 17 or newer and Maven to run Apache Kafka instead."

    binary: Path

    @property
    def title(self) -> str:
        """What it is, for a sentence."""
        return "Tansu, a Kafka-compatible broker in memory"

    @property
    def meaning(self) -> str:
        """What that means, for a sentence."""
        return (
            "everything is gone when it stops, producers cannot be idempotent or transactional, "
            "and joining a consumer group takes seconds"
        )

    async def command(self, folder: Path, port: int) -> list[str]:
        """The command that starts it. It keeps nothing in `folder`."""
        del folder
        url = f"tcp://{ports.LOOPBACK}:{port}"
        where = ["--listener-url", url, "--advertised-listener-url", url]
        return [str(self.binary), "broker", *where, "--storage-engine", "memory://tansu/"]


async def find_tansu(machine: Machine, say: Callable[[str], None]) -> Tansu:
    """Tansu on this machine.

    Raises:
        UnavailableError: it is not installed, or not for this system.
    """
    del say  # it comes with the package: nothing takes time
    return Tansu(machine.find_tansu())
