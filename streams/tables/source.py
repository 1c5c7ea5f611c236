"""Reading a stretch of one partition directly, beside the stream processor."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from aiokafka import TopicPartition

from streams.bus.tail import read_to_end

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping


async def read_stretch(
    options: Mapping[str, Any], topic: str, partition: int, start: int, end: int
) -> AsyncGenerator[list[Any], None]:
    """Records of a partition from `start` on, those before `end`, in batches; offsets that do not exist are none.

    Raises:
        KafkaError: it cannot be read.
    """
    reading = read_to_end(options, {TopicPartition(topic, partition): start})
    async with aclosing(cast("AsyncGenerator[tuple[Any, list[Any]], None]", reading)) as batches:
        async for _, records in batches:
            wanted = [record for record in records if record.offset < end]
            if wanted:
                yield wanted
            if records[-1].offset >= end - 1:
                return
