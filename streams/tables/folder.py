"""Folds batches of calls into the partitions that this worker owns and stores the outcome.

The order of writes is what makes a crash harmless:

1. fold the batch in memory; what cannot be decoded goes to the dead letters, awaited,
2. write every changed partial but `spend|all` to the changelog, wait for all acknowledgements,
3. write `spend|all`, wait. Its `covers_offset` now says that everything up to it is stored,
4. only then hand the partials to the snapshots.

After a crash the partition is read again from behind the stored `spend|all` (see `app.py`), and each partial
takes nothing that it covers already. Offsets committed to the consumer group are for people to look at.

The lock is held while a batch is in work. Giving partitions away waits for it, so no write of this worker can
come after the next owner has read the changelog.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial as bind
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from streams.bus.producer import Outgoing
from streams.tables.decoding import decode_call
from streams.tables.folds import POSITION_KEY, Partial, PartialKey, PartitionFold
from streams.tables.storage import TableTopics, parse_table_key, stored_partial, table_key
from topics.codec import Rejection, encode
from topics.headers import Source, dead_letter_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from streams.tables.metrics import TablesMetrics
    from streams.tables.snapshots import Snapshots

log = structlog.get_logger(__name__)


class Record(Protocol):
    """What the folder needs of a record; Faust's messages are such."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Any
    generation_id: int | None


class Writer(Protocol):
    """What the folder needs of the publisher."""

    async def send(self, record: Outgoing) -> asyncio.Future[Any]:
        """Hand a record over."""

    async def settle(self, record: Outgoing, pending: asyncio.Future[Any]) -> int:
        """Wait until it is durable."""

    async def publish(self, record: Outgoing) -> int:
        """Both."""


@dataclass(slots=True)
class Folder:
    """The owned partitions and the way a batch takes. One per Faust app."""

    topics: TableTopics
    writer: Writer
    snapshots: Snapshots
    metrics: TablesMetrics
    clock: Callable[[], float]
    partitions: dict[int, PartitionFold] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def own(self, table: Mapping[bytes, bytes], partitions: Iterable[int]) -> None:
        """Begin with these partitions as they stand in the recovered table, and publish all of them once."""
        async with self.lock:
            owned = set(partitions)
            self.partitions = {
                number: PartitionFold(number, bind(stored_partial, table, number)) for number in sorted(owned)
            }
            self.snapshots.forget()
            for raw, value in table.items():
                parsed = parse_table_key(raw)
                if parsed is not None and parsed[0] in owned and parsed[1] != POSITION_KEY:
                    self.snapshots.changed(parsed[0], parsed[1], value)
            self._restate(self.partitions)
            self.metrics.partitions.set(len(owned))
        log.info("tables.owned", partitions=sorted(owned), partials=self.snapshots.waiting)

    async def disown(self) -> None:
        """Let go of all partitions, after the batch in work is stored."""
        async with self.lock:
            self.partitions = {}
            self.metrics.partitions.set(0)
            await self.snapshots.stop_publishing()

    def position(self, partition: int) -> int | None:
        """First offset of the source that is not stored; None for a partition that is not owned."""
        fold = self.partitions.get(partition)
        return None if fold is None else fold.covers_offset + 1

    async def fold(self, records: Sequence[Record], generation: int) -> None:
        """Fold a batch and store the outcome.

        Records of another generation of the group are passed over: they were fetched before a rebalance, and
        whoever owns their partition now reads them again.

        Raises:
            KafkaError: the outcome cannot be stored and trying again will not help.
        """
        async with self.lock:
            now = self.clock()
            touched: dict[int, PartitionFold] = {}
            folded = duplicates = 0
            for record in records:
                fold = self.partitions.get(record.partition)
                if fold is None or record.generation_id != generation:
                    continue
                if record.offset <= fold.covers_offset:
                    duplicates += 1
                    continue
                touched[record.partition] = fold
                call = decode_call(record.value)
                if isinstance(call, Rejection):
                    await self._dead_letter(record, call)
                    fold.skip(record.offset)
                elif fold.fold(call, record.offset, now):
                    folded += 1
            await self._store({number: fold.settle(now) for number, fold in touched.items()})
            self.metrics.folded.inc(folded)
            self.metrics.duplicates.inc(duplicates)

    async def restate(self, before: float) -> None:
        """Say once more where partitions stand of which nothing was published since `before`."""
        async with self.lock:
            self._restate(
                [number for number in self.partitions if self.snapshots.last_published(number) < before]
            )

    def _restate(self, partitions: Iterable[int]) -> None:
        now = self.clock()
        for number in partitions:
            self.snapshots.changed(number, POSITION_KEY, encode(self.partitions[number].restate(now)))

    async def _store(self, changed: Mapping[int, Mapping[PartialKey, Partial]]) -> None:
        values = {
            (number, key): encode(partial)
            for number, partials in changed.items()
            for key, partial in partials.items()
        }
        positions = {where: value for where, value in values.items() if where[1] == POSITION_KEY}
        others = {where: value for where, value in values.items() if where[1] != POSITION_KEY}
        await self._write(others)
        await self._write(positions)
        for (number, key), value in values.items():
            self.snapshots.changed(number, key, value)

    async def _write(self, values: Mapping[tuple[int, PartialKey], bytes]) -> None:
        records = [
            Outgoing(self.topics.changelog, number, table_key(number, key), value, [])
            for (number, key), value in values.items()
        ]
        pending = [(record, await self.writer.send(record)) for record in records]
        for record, acknowledgement in pending:
            await self.writer.settle(record, acknowledgement)

    async def _dead_letter(self, record: Record, why: Rejection) -> None:
        source = Source(record.topic, record.partition, record.offset)
        headers = dead_letter_headers(
            list(record.headers or ()),
            source=source,
            exception=why.error,
            message=why.message,
            stage=why.stage,
        )
        await self.writer.publish(
            Outgoing(self.topics.dead_letters, record.partition, record.key, record.value, headers)
        )
        self.metrics.rejected.inc()
        log.warning("tables.rejected", source=str(source), error=why.error, stage=why.stage)
