"""Dead letters on the topic task.failed: reading them, and sending them again as they were."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from streams.bus.producer import Outgoing
from streams.cli.records import in_time_order, newest, record_at, scan
from streams.cli.rendering import as_text
from streams.cli.sending import publisher_of
from topics.catalog import TASK_FAILED
from topics.headers import SOURCE_HEADER, Source, header

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from streams.cli.options import Bus
    from topics.headers import Headers

_PREFIX = "__streams.errors."
_ADDED = frozenset(
    {f"{_PREFIX}{name}" for name in ("topic", "partition", "offset", "exception", "message", "stacktrace")}
    | {SOURCE_HEADER}
)
_POSITION = re.compile(r"(\d+):(\d+)")
SEND_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the topic."""

    partition: int
    offset: int
    at: float
    """When it became a dead letter, seconds since the epoch."""
    key: bytes | None
    value: bytes | None
    headers: Headers
    source: Source | None
    """The record it was; None where its headers do not say."""

    @classmethod
    def of(cls, record: Any) -> DeadLetter:  # noqa: ANN401 - aiokafka
        """From the record."""
        headers = list(record.headers)
        topic, partition, offset = (
            header(headers, f"{_PREFIX}{part}") for part in ("topic", "partition", "offset")
        )
        try:
            source = None if topic is None else Source(topic, int(partition or ""), int(offset or ""))
        except ValueError:
            source = None
        return cls(
            record.partition,
            record.offset,
            record.timestamp / 1000,
            record.key,
            record.value,
            headers,
            source,
        )

    @property
    def position(self) -> str:
        """`partition:offset` on its own topic."""
        return f"{self.partition}:{self.offset}"

    @property
    def error(self) -> str:
        """Name of the error's class."""
        return header(self.headers, f"{_PREFIX}exception") or "unknown"

    @property
    def message(self) -> str:
        """For a person: what was wrong."""
        return header(self.headers, f"{_PREFIX}message") or ""

    @property
    def stage(self) -> str:
        """How far it came."""
        return header(self.headers, f"{_PREFIX}stacktrace") or ""

    @property
    def original_headers(self) -> Headers:
        """Without those that made it a dead letter: the last of each of their names."""
        kept: Headers = []
        left = set(_ADDED)
        for name, value in reversed(self.headers):
            if name in left:
                left.remove(name)
            else:
                kept.append((name, value))
        return kept[::-1]

    def summary(self) -> dict[str, Any]:
        """As JSON for a list."""
        return {
            "position": self.position,
            "source": None if self.source is None else str(self.source),
            "at": self.at,
            "key": None if self.key is None else as_text(self.key),
            "error": self.error,
            "message": self.message,
            "stage": self.stage,
            "value_bytes": None if self.value is None else len(self.value),
        }

    def everything(self) -> dict[str, Any]:
        """As JSON with the original bytes, as text where they are UTF-8 and always as base64."""
        return self.summary() | {
            "key_base64": _base64(self.key),
            "value": None if self.value is None else as_text(self.value),
            "value_base64": _base64(self.value),
            "headers": [
                {"name": name, "value": as_text(value or b""), "base64": _base64(value)}
                for name, value in self.original_headers
            ],
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of sending one again."""

    letter: DeadLetter
    offset: int | None
    """Where it lies now; None where nothing was sent."""
    problem: str | None

    def summary(self) -> dict[str, Any]:
        """As JSON."""
        source = self.letter.source
        return {
            "position": self.letter.position,
            "topic": None if source is None else source.topic,
            "partition": None if source is None else source.partition,
            "offset": self.offset,
            "problem": self.problem,
        }

    def __str__(self) -> str:
        source = self.letter.source
        where = "" if source is None else f"{source.topic} partition {source.partition}"
        return f"{self.letter.position} → {where}" + ("" if self.offset is None else f" offset {self.offset}")


async def all_of(bus: Bus, limit: int | None) -> list[DeadLetter]:
    """All there are, or the newest so many; oldest first."""
    if limit is not None:
        return [DeadLetter.of(record) for record in await newest(bus, TASK_FAILED, limit)]
    return [DeadLetter.of(r) for r in in_time_order([record async for record in scan(bus, TASK_FAILED)])]


def names_one(which: str) -> bool:
    """Whether it is a position or a source."""
    try:
        return _POSITION.fullmatch(which) is not None or bool(Source.parse(which).topic)
    except ValueError:
        return False


async def find(bus: Bus, which: str) -> DeadLetter | None:
    """The one at a position, or the newest of the record with that source; None where there is none.

    Raises:
        ValueError: it is neither; see `names_one`.
    """
    if (position := _POSITION.fullmatch(which)) is not None:
        record = await record_at(bus, TASK_FAILED, int(position[1]), int(position[2]))
        return None if record is None else DeadLetter.of(record)
    source = Source.parse(which)
    # A dead letter lies in the partition of the record it was; elsewhere only what another program wrote.
    found = [one async for one in _of_source(bus, source, {source.partition})]
    found = found or [one async for one in _of_source(bus, source, None)]
    return found[-1] if found else None


async def _of_source(bus: Bus, source: Source, partitions: set[int] | None) -> AsyncIterator[DeadLetter]:
    async for record in scan(bus, TASK_FAILED, partitions):
        letter = DeadLetter.of(record)
        if letter.source == source:
            yield letter


async def resend(bus: Bus, letters: Sequence[DeadLetter], *, dry_run: bool) -> AsyncIterator[Outcome]:
    """Send each to the topic and partition it came from, in order; original key, value and headers."""
    counts = await bus.all_partition_counts()
    ready: list[tuple[DeadLetter, Source]] = []
    for letter in letters:
        if letter.source is None:
            yield Outcome(letter, None, "its headers do not say where it came from; send its value yourself")
        elif letter.source.partition >= counts.get(letter.source.topic, 0):
            missing = f"{letter.source.topic} partition {letter.source.partition}"
            yield Outcome(letter, None, f"the broker has no {missing}; `sluice topics apply` creates topics")
        elif dry_run:
            yield Outcome(letter, None, None)
        else:
            ready.append((letter, letter.source))
    if not ready:
        return
    async with publisher_of(bus) as publisher:
        for letter, source in ready:
            record = Outgoing(
                source.topic, source.partition, letter.key, letter.value, letter.original_headers
            )
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    offset = await publisher.publish(record)
            except (KafkaError, TimeoutError) as error:
                yield Outcome(letter, None, f"not sent: {error or type(error).__name__}")
            else:
                yield Outcome(letter, offset, None)


def _base64(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()
