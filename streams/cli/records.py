"""Reading topics from the command line: to their end, their newest records, or as records come. No groups."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.bus.tail import end_offsets, read_to_end
from topics.catalog import DEAD_LETTER_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping

    from streams.cli.options import Bus
    from topics.catalog import Topic

POLL_MS = 200


async def scan(bus: Bus, topic: Topic, partitions: Collection[int] | None = None) -> AsyncIterator[Any]:
    """Every record there is now, in order within a partition."""
    starts = dict.fromkeys(await _partitions(bus, topic, partitions))
    if not starts:
        return
    async with aclosing(read_to_end(bus.options, starts)) as batches:  # type: ignore[type-var]  # a generator
        async for _, records in batches:
            for record in records:
                yield record


async def newest(bus: Bus, topic: Topic, count: int) -> list[Any]:
    """The newest records of all partitions together, oldest first."""
    ends = await end_offsets(bus.options, await _partitions(bus, topic, None))
    starts = {partition: max(end - count, 0) for partition, end in ends.items()}
    found: list[Any] = []
    async for _, records in read_to_end(bus.options, starts):
        found += records
    return in_time_order(found)[-count:] if count else []


async def record_at(bus: Bus, topic: Topic, partition: int, offset: int) -> Any | None:  # noqa: ANN401 - aiokafka
    """The record at a position; None where there is none (any more)."""
    places = await _partitions(bus, topic, {partition})
    if not places:
        return None
    async with aclosing(read_to_end(bus.options, {places[0]: offset})) as batches:  # type: ignore[type-var]
        async for _, records in batches:
            first = records[0]
            return first if first.offset == offset else None
    return None


async def ends_of(bus: Bus, *topics: Topic) -> dict[TopicPartition, int]:
    """Where the next records of these topics will lie."""
    places = [place for topic in topics for place in await _partitions(bus, topic, None)]
    return await end_offsets(bus.options, places)


async def starts_of(bus: Bus, topic: Topic) -> dict[TopicPartition, int]:
    """The beginning of every partition."""
    return dict.fromkeys(await _partitions(bus, topic, None), 0)


async def follow(bus: Bus, starts: Mapping[TopicPartition, int]) -> AsyncIterator[list[Any]]:
    """Batches of records from these positions on, for ever. Empty batches come too, so that a caller can look up."""
    async with AIOKafkaConsumer(
        **bus.options,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=DEAD_LETTER_BYTES,
    ) as consumer:
        consumer.assign(list(starts))
        for partition, offset in starts.items():
            consumer.seek(partition, offset)
        while True:
            batch = await consumer.getmany(timeout_ms=POLL_MS)
            yield in_time_order(record for records in batch.values() for record in records)


def in_time_order(records: Iterable[Any]) -> list[Any]:
    """By timestamp; those of one partition stay in the order of their offsets where timestamps are equal."""
    return sorted(records, key=lambda record: (record.timestamp, record.partition, record.offset))


async def _partitions(bus: Bus, topic: Topic, wanted: Collection[int] | None) -> list[TopicPartition]:
    counts = await bus.partition_counts(topic)
    return [
        TopicPartition(name, partition)
        for name, count in counts.items()
        for partition in range(count)
        if wanted is None or partition in wanted
    ]
