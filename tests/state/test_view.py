"""The view on a real broker: catching up, its age, rubbish, a topic that is not there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from streams.bus.connection import client_options
from streams.bus.producer import Outgoing, Publisher
from streams.bus.topology import admin_client
from streams.config.settings import Kafka
from streams.decide.world import BreakerState
from streams.state.partials import state_key
from streams.state.view import StateTopicMissingError, StateView
from streams.tables.folds import PartitionFold
from tests.calls import completed
from topics.catalog import STATE
from topics.codec import encode
from topics.events import CallCompleted, CallStatus
from topics.provision import apply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.brokers import BrokerInUse

pytestmark = pytest.mark.bus


@pytest_asyncio.fixture
async def kafka(broker: BrokerInUse, topic_prefix: str) -> Kafka:
    kafka = Kafka(brokers=broker.bootstrap, prefix=topic_prefix, partitions=2, idempotence=broker.idempotent)
    async with admin_client(client_options(kafka, {})) as admin:
        await apply(admin, prefix=topic_prefix, partitions=2, replication=1)
    return kafka


@pytest_asyncio.fixture
async def publisher(kafka: Kafka) -> AsyncIterator[Publisher]:
    async with Publisher(client_options(kafka, {}), idempotent=kafka.idempotence) as publisher:
        yield publisher


async def publish_tables(
    publisher: Publisher, kafka: Kafka, partition: int, calls: list[CallCompleted], now: float
) -> None:
    """What the tables would publish of a partition."""
    fold = PartitionFold(partition, lambda _: None)
    for offset, call in enumerate(calls):
        fold.fold(call, offset, now)
    fold.settle(now)
    fold.restate(now)
    for key, partial in fold.partials().items():
        name = state_key(key.kind, key.scope, partition)
        await publisher.publish(Outgoing(STATE.full_name(kafka.prefix), partition, name, encode(partial), []))


async def test_it_has_caught_up_when_all_that_was_there_is_read(kafka: Kafka, publisher: Publisher) -> None:
    now = time.time()
    await publish_tables(publisher, kafka, 0, [completed(1, started_at=now)], now)
    await publish_tables(publisher, kafka, 1, [completed(2, started_at=now)], now)

    async with StateView(kafka, {}) as view:
        await view.caught_up()

        assert view.spend("all").total.calls == 2
        assert view.spend("model:small").total.cost_nusd == 2_003
        assert view.world(now).health["small"].breaker is BreakerState.CLOSED


async def test_an_empty_topic_is_caught_up_at_once_and_has_no_age(kafka: Kafka) -> None:
    async with StateView(kafka, {}) as view:
        await view.caught_up()

        assert view.world(time.time()).age_s is None
        assert view.world(time.time()).health == {}


async def test_its_age_is_that_of_the_most_silent_partition(kafka: Kafka, publisher: Publisher) -> None:
    now = time.time()
    await publish_tables(publisher, kafka, 0, [], now - 5)
    await publish_tables(publisher, kafka, 1, [], now - 50)

    async with StateView(kafka, {}, clock=lambda: now) as view:
        await view.caught_up()
        before = view.age_s(now)
        await publish_tables(publisher, kafka, 1, [], now)
        while view.age_s(now) == before:
            await view.changed()

        assert before == 50
        assert view.age_s(now) == 5
        assert view.age_s(now + 3) == 8


async def test_an_age_is_not_made_up_while_a_partition_has_never_been_heard(
    kafka: Kafka, publisher: Publisher
) -> None:
    now = time.time()
    await publish_tables(publisher, kafka, 0, [], now)

    async with StateView(kafka, {}) as view:
        await view.caught_up()

        assert view.age_s(now) is None


async def test_rubbish_is_counted_and_passed_over(kafka: Kafka, publisher: Publisher) -> None:
    now, topic = time.time(), STATE.full_name(kafka.prefix)
    for key, value in ((b"no separator", b"x"), (b"spend|all|0", b"{"), (b"weather|all|0", b"{}")):
        await publisher.publish(Outgoing(topic, 0, key, value, []))
    await publish_tables(publisher, kafka, 0, [completed(started_at=now)], now)

    async with StateView(kafka, {}) as view:
        await view.caught_up()

        assert view.partials.malformed == 2
        assert view.spend("all").total.calls == 1


async def test_own_calls_count_until_the_tables_cover_them(kafka: Kafka, publisher: Publisher) -> None:
    now = time.time()
    calls = [completed(n, started_at=now - 1, status=CallStatus.SERVER) for n in range(5)]

    async with StateView(kafka, {}) as view:
        await view.caught_up()
        for offset, call in enumerate(calls):
            view.overlay.written(view.overlay.record(call), 0, offset)
        at_once = view.model_health("small", now)
        await publish_tables(publisher, kafka, 0, calls, now)
        while not view.health("small").buckets:
            await view.changed()
        later = view.model_health("small", now)

        assert at_once == later
        assert (later.calls, later.breaker) == (5, BreakerState.OPEN)
        assert view.overlay.outcomes("small", now) == ()


async def test_a_topic_that_is_not_there_is_named_with_the_cure(
    broker: BrokerInUse, topic_prefix: str
) -> None:
    view = StateView(Kafka(brokers=broker.bootstrap, prefix=topic_prefix), {})

    with pytest.raises(StateTopicMissingError, match="sluice topics apply"):
        await view.__aenter__()
