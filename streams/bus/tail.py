"""Reading a stretch of some partitions without a consumer group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from topics.catalog import DEAD_LETTER_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

POLL_MS = 200


async def read_to_end(
    options: Mapping[str, Any], starts: Mapping[TopicPartition, int | None]
) -> AsyncIterator[tuple[TopicPartition, list[Any]]]:
    """Records of each partition from its start to the end as it was when reading began, in batches.

    Args:
        options: of `client_options`.
        starts: first offset wanted; None is the earliest. A start that retention has removed is moved up to the
            earliest record there is.

    Yields:
        A partition and some of its records, in order of offsets.
    """
    async with AIOKafkaConsumer(
        **options,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=DEAD_LETTER_BYTES,
    ) as consumer:
        partitions = list(starts)
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        left: dict[TopicPartition, int] = {}
        for partition, start in starts.items():
            first = begins[partition] if start is None else max(start, begins[partition])
            if first < ends[partition]:
                consumer.seek(partition, first)
                left[partition] = ends[partition]
            else:
                consumer.pause(partition)
        first_seen: set[TopicPartition] = set()
        while left:
            for partition, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                if partition not in left:
                    continue
                if partition not in first_seen:
                    # Tansu's answer for the end is the last batch's first offset plus one; its fetches tell the truth.
                    first_seen.add(partition)
                    left[partition] = max(left[partition], consumer.highwater(partition) or 0)
                end = left[partition]
                wanted = [record for record in records if record.offset < end]
                if wanted:
                    yield partition, wanted
            for partition in [p for p, end in left.items() if await consumer.position(p) >= end]:
                del left[partition]
                consumer.pause(partition)


async def end_offsets(
    options: Mapping[str, Any], partitions: list[TopicPartition]
) -> dict[TopicPartition, int]:
    """The offset that the next record of each partition will get."""
    async with AIOKafkaConsumer(**options, enable_auto_commit=False) as consumer:
        found: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        return found
