"""What the cluster says of topics and groups, asked for once."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka.admin import AIOKafkaAdminClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from aiokafka import TopicPartition
    from aiokafka.structs import OffsetAndMetadata


class TopicsNotReadyError(Exception):
    """Topics are missing or do not fit together. The message ends with the cure."""


@asynccontextmanager
async def admin_client(options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client.

    Raises:
        KafkaError: the broker cannot be reached.
    """
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def all_partition_counts(options: Mapping[str, Any]) -> dict[str, int]:
    """Number of partitions of every topic there is.

    All are asked for: asking for one by its name would create it where the broker creates topics by itself.
    """
    async with admin_client(options) as admin:
        described = await admin.describe_topics()
    return {one["topic"]: len(one["partitions"]) for one in described if one["error_code"] == 0}


async def partition_counts(options: Mapping[str, Any], topics: Iterable[str]) -> dict[str, int]:
    """Number of partitions by topic; 0 for one that does not exist."""
    there = await all_partition_counts(options)
    return {topic: there.get(topic, 0) for topic in topics}


async def committed_offsets(
    options: Mapping[str, Any], group: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """What a group has committed, with its metadata; partitions without a commit are left out."""
    async with admin_client(options) as admin:
        found = await admin.list_consumer_group_offsets(group, partitions=sorted(partitions))
    return {where: committed for where, committed in found.items() if committed.offset >= 0}
