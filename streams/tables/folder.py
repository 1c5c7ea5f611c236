"""Folds batches of calls into the partitions that this worker owns and stores the outcome.

The order of writes is what makes a crash harmless:

1. fold the batch in memory; what cannot be decoded goes to the dead letters, awaited,
2. write every changed partial but `spend|all` to the changelog, wait for all acknowledgements,
3. write `spend|all`, wait. Its `covers_offset` now says that everything up to it is stored,
4. only then hand the partials to the snapshots.

Every record is folded once because positions come from the table alone, whatever offsets the stream processor
has committed and whatever it delivers: an offset below the position is passed over; one above it means that
some are missing, and those are read from the source directly, first. (Around rebalances Faust acknowledges
records that no agent has finished, and its seek back to committed offsets races with its fetcher, which then
leaves records out.) Where nothing arrives although the source has more, it is read directly as well.

The lock is held while a batch is in work. Giving partitions away waits for it, so no write of this worker can
come after the next owner has read the changelog.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial as bind
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from streams.bus.producer import Outgoing
from streams.tables.decoding import decode_call
from streams.tables.folds import POSITION_KEY, PartialKey, PartitionFold
from streams.tables.storage import TableTopics, parse_table_key, stored_partial, table_key
from topics.codec import Rejection, encode
from topics.headers import Source, dead_letter_headers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence

    from streams.tables.metrics import TablesMetrics
    from streams.tables.snapshots import Snapshots

log = structlog.get_logger(__name__)

STALLED_AFTER_S = 3.0
"""A partition with more to read that stood still for so long is read directly."""


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


class Reader(Protocol):
    """Reads records of a partition of the source directly: from an offset, to before another."""

    def __call__(self, partition: int, start: int, end: int) -> AsyncGenerator[Sequence[Record], None]:
        """Batches in order."""


@dataclass(slots=True)
class Folder:
    """The owned partitions and the way a batch takes. One per Faust app."""

    topics: TableTopics
    writer: Writer
    read: Reader
    snapshots: Snapshots
    metrics: TablesMetrics
    clock: Callable[[], float]
    partitions: dict[int, PartitionFold] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _unstored: int = 0
    """Calls folded in memory only."""
    _stood: dict[int, tuple[int, float]] = field(default_factory=dict)
    """Where a partition stood, and since when."""

    async def own(self, table: Mapping[bytes, bytes], partitions: Iterable[int]) -> None:
        """Begin with these partitions as they stand in the recovered table, and publish all of them once."""
        async with self.lock:
            owned = set(partitions)
            self.partitions = {
                number: PartitionFold(number, bind(stored_partial, table, number)) for number in sorted(owned)
            }
            self._stood = {}
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

    async def fold(self, records: Sequence[Record], generation: Callable[[], int]) -> None:
        """Fold a batch and store the outcome.

        Records of another generation of the group than the present one are passed over: they were fetched
        before a rebalance, and whoever owns their partition now reads them again.

        Raises:
            KafkaError: the outcome cannot be stored and trying again will not help.
        """
        async with self.lock:
            present = generation()
            for record in records:
                fold = self.partitions.get(record.partition)
                if fold is None or record.generation_id != present:
                    continue
                if record.offset < fold.next_offset:
                    self.metrics.duplicates.inc()
                    continue
                if record.offset > fold.next_offset:
                    await self._fill(fold, record.offset, lambda: generation() == present)
                    if generation() != present:
                        return
                await self._take(fold, record)
            await self._store()

    async def catch_up(self, ends: Mapping[int, int], generation: Callable[[], int]) -> None:
        """Read directly where a partition stands still although the source has more.

        Args:
            ends: by partition, the offset that the source's next record will get.
            generation: of the group, at any time.
        """
        async with self.lock:
            present, now = generation(), self.clock()
            for number, fold in self.partitions.items():
                stood_at, since = self._stood.get(number, (-1, now))
                if fold.next_offset != stood_at or fold.next_offset >= ends.get(number, 0):
                    self._stood[number] = fold.next_offset, now
                elif now - since > STALLED_AFTER_S and generation() == present:
                    await self._fill(fold, ends[number], lambda: generation() == present)

    async def finish(self) -> None:
        """Wait for the batch in work, then publish what waits. For an orderly end; nothing depends on it."""
        async with self.lock:
            await self.snapshots.publish()

    async def restate(self, before: float) -> None:
        """Say once more where partitions stand of which nothing was published since `before`."""
        async with self.lock:
            self._restate(
                [number for number in self.partitions if self.snapshots.last_published(number) < before]
            )

    async def _fill(self, fold: PartitionFold, end: int, go_on: Callable[[], bool]) -> None:
        """Fold what lies between the position and `end`, read from the source; store as it goes."""
        start, count = fold.next_offset, 0
        async with aclosing(self.read(fold.partition, start, end)) as batches:
            async for records in batches:
                if not go_on():
                    return
                for record in records:
                    if record.offset >= fold.next_offset:
                        await self._take(fold, record)
                        count += 1
                await self._store()
        fold.skip(end - 1)  # offsets that hold no record: retention, transactions
        await self._store()
        if count:
            self.metrics.filled.inc(count)
            log.info("tables.filled", partition=fold.partition, start=start, end=end, records=count)

    async def _take(self, fold: PartitionFold, record: Record) -> None:
        call = decode_call(record.value)
        if isinstance(call, Rejection):
            await self._dead_letter(record, call)
            fold.skip(record.offset)
        elif fold.fold(call, record.offset, self.clock()):
            self._unstored += 1

    def _restate(self, partitions: Iterable[int]) -> None:
        now = self.clock()
        for number in partitions:
            self.snapshots.changed(number, POSITION_KEY, encode(self.partitions[number].restate(now)))

    async def _store(self) -> None:
        now = self.clock()
        values = {
            (number, key): encode(partial)
            for number, fold in self.partitions.items()
            for key, partial in fold.settle(now).items()
        }
        await self._write({where: value for where, value in values.items() if where[1] != POSITION_KEY})
        await self._write({where: value for where, value in values.items() if where[1] == POSITION_KEY})
        for (number, key), value in values.items():
            self.snapshots.changed(number, key, value)
        self.metrics.folded.inc(self._unstored)
        self._unstored = 0

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
