"""Which broker this machine can run: Apache Kafka on the JVM, else Tansu; and why others were passed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

from streams.embedded.broker.errors import NoBrokerError, UnavailableError
from streams.embedded.broker.kafka_jvm import find_kafka
from streams.embedded.broker.tansu import find_tansu

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from streams.embedded.broker.machine import Machine

BrokerKind = Literal["kafka", "tansu"]
WantedKind = Literal["auto", "kafka", "tansu"]


class Program(Protocol):
    """A broker that can be started here."""

    @property
    def kind(self) -> BrokerKind:
        """Which one."""

    @property
    def durable(self) -> bool:
        """Whether records survive its restart."""

    @property
    def idempotent(self) -> bool:
        """Whether idempotent and transactional producers work."""

    @property
    def title(self) -> str:
        """What it is, for a sentence."""

    @property
    def meaning(self) -> str:
        """What that means, for a sentence."""

    @property
    def start_cure(self) -> str:
        """What to do when it does not start."""

    async def command(self, folder: Path, port: int) -> list[str]:
        """What to run, in `folder`, to have it listen on `port`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The broker to run, and why those before it in the order cannot be used."""

    program: Program
    passed_over: Mapping[BrokerKind, str]


_FINDERS: Final[Mapping[BrokerKind, Callable[[Machine, Callable[[str], None]], Awaitable[Program]]]] = {
    "kafka": find_kafka,
    "tansu": find_tansu,
}
_ORDER: Final[Mapping[WantedKind, tuple[BrokerKind, ...]]] = {
    "auto": ("kafka", "tansu"),
    "kafka": ("kafka",),
    "tansu": ("tansu",),
}


async def choose(kind: WantedKind, machine: Machine, say: Callable[[str], None]) -> Choice:
    """The first broker of the wanted kind that this machine can run.

    Args:
        kind: one of them, or "auto" for the best there is.
        machine: where to look.
        say: is told, in a sentence, what takes time (Apache Kafka may have to be fetched).

    Raises:
        NoBrokerError: none can be used; it names why.
    """
    reasons: dict[BrokerKind, str] = {}
    for candidate in _ORDER[kind]:
        try:
            program = await _FINDERS[candidate](machine, say)
        except UnavailableError as error:
            reasons[candidate] = str(error)
        else:
            return Choice(program, reasons)
    raise NoBrokerError(reasons)
