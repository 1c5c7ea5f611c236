"""Topics on a real broker: created once, never touched again, compared honestly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from topics import provision
from topics.catalog import CALL_COMPLETED, STATE, TASK_SUBMITTED, TOPICS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.brokers import BrokerInUse

pytestmark = pytest.mark.bus

PARTITIONS = 3


@pytest_asyncio.fixture
async def admin(broker: BrokerInUse) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client."""
    client = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
def describes_settings(broker: BrokerInUse) -> None:
    """Skip where the broker cannot describe or alter settings."""
    if broker.kind == "tansu":
        pytest.skip("Tansu does not describe or alter settings of topics")


async def _apply(admin: AIOKafkaAdminClient, prefix: str, *, replication: int = 1) -> provision.Applied:
    return await provision.apply(admin, prefix=prefix, partitions=PARTITIONS, replication=replication)


async def _differing(admin: AIOKafkaAdminClient, prefix: str) -> list[tuple[str, str, str, str]]:
    found = await provision.check(admin, prefix=prefix, partitions=PARTITIONS)
    return [(one.topic, one.what, one.expected, one.actual) for one in found if one.compared]


async def test_apply_creates_every_topic_with_its_partitions(
    admin: AIOKafkaAdminClient, topic_prefix: str
) -> None:
    applied = await _apply(admin, topic_prefix)
    assert applied.created == tuple(topic.full_name(topic_prefix) for topic in TOPICS)
    assert applied.existing == ()
    infos = await provision.describe(admin, prefix=topic_prefix, partitions=PARTITIONS)
    assert [one.name for one in infos] == list(applied.created)
    assert all(one.exists and one.actual_partitions == one.partitions for one in infos)


async def test_apply_again_changes_nothing(admin: AIOKafkaAdminClient, topic_prefix: str) -> None:
    first = await _apply(admin, topic_prefix)
    again = await _apply(admin, topic_prefix)
    assert again == provision.Applied(created=(), existing=first.created)


async def test_routers_that_apply_at_the_same_time_create_each_topic_once(
    admin: AIOKafkaAdminClient, topic_prefix: str
) -> None:
    first, second = await asyncio.gather(_apply(admin, topic_prefix), _apply(admin, topic_prefix))
    assert sorted(first.created + second.created) == sorted(topic.full_name(topic_prefix) for topic in TOPICS)


async def test_nothing_differs_after_apply(admin: AIOKafkaAdminClient, topic_prefix: str) -> None:
    await _apply(admin, topic_prefix)
    assert await _differing(admin, topic_prefix) == []


async def test_settings_that_the_broker_does_not_tell_are_not_called_equal(
    broker: BrokerInUse, admin: AIOKafkaAdminClient, topic_prefix: str
) -> None:
    await _apply(admin, topic_prefix)
    found = await provision.check(admin, prefix=topic_prefix, partitions=PARTITIONS)
    untold = [one for one in found if not one.compared]
    assert len(untold) == (len(TOPICS) if broker.kind == "tansu" else 0)
    assert all("could not be compared" in str(one) for one in untold)


async def test_topics_that_are_missing_are_reported(admin: AIOKafkaAdminClient, topic_prefix: str) -> None:
    assert await _differing(admin, topic_prefix) == [
        (topic.full_name(topic_prefix), "topic", "present", "missing") for topic in TOPICS
    ]
    infos = await provision.describe(admin, prefix=topic_prefix, partitions=PARTITIONS)
    assert not [one for one in infos if one.exists or one.actual_partitions is not None]


async def test_another_number_of_partitions_is_reported_and_left_alone(
    admin: AIOKafkaAdminClient, topic_prefix: str
) -> None:
    name = CALL_COMPLETED.full_name(topic_prefix)
    await admin.create_topics([NewTopic(name, 5, 1, topic_configs=CALL_COMPLETED.configs())])
    applied = await _apply(admin, topic_prefix)
    assert applied.existing == (name,)
    assert await _differing(admin, topic_prefix) == [(name, "partitions", "3", "5")]


@pytest.mark.usefixtures("describes_settings")
async def test_other_settings_are_reported_and_left_alone(
    admin: AIOKafkaAdminClient, topic_prefix: str
) -> None:
    await _apply(admin, topic_prefix)
    submitted, state = TASK_SUBMITTED.full_name(topic_prefix), STATE.full_name(topic_prefix)
    await admin.alter_configs(
        [
            ConfigResource(
                ConfigResourceType.TOPIC, submitted, TASK_SUBMITTED.configs() | {"retention.ms": "60000"}
            ),
            ConfigResource(ConfigResourceType.TOPIC, state, STATE.configs() | {"cleanup.policy": "delete"}),
        ]
    )
    async with asyncio.timeout(10):  # a broker learns of an altered setting a moment after it was accepted
        while len(await _differing(admin, topic_prefix)) < 2:  # noqa: ASYNC110 - a broker notifies nobody
            await asyncio.sleep(0.05)
    await _apply(admin, topic_prefix)
    assert await _differing(admin, topic_prefix) == [
        (submitted, "retention.ms", "604800000", "60000"),
        (state, "cleanup.policy", "compact", "delete"),
    ]


@pytest.mark.usefixtures("describes_settings")
async def test_a_topic_that_the_broker_refuses_is_named_with_its_reason(
    admin: AIOKafkaAdminClient, topic_prefix: str
) -> None:
    with pytest.raises(provision.ProvisionError, match=r"(?i)replica") as refused:
        await _apply(admin, topic_prefix, replication=1000)
    assert refused.value.topic.startswith(topic_prefix)
