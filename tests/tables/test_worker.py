"""Whole workers of the tables on a real broker: killed, joined by others, fed with rubbish."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewTopic

from streams.bus.connection import client_options
from streams.bus.producer import Outgoing, Publisher
from streams.bus.tail import read_to_end
from streams.bus.topology import admin_client
from streams.config.settings import Settings, Tables
from streams.state.view import StateView
from streams.tables.worker import TablesService
from tests.tables.workers import Ledger, StartWorker, health_calls, launch, many_calls, seen
from topics.catalog import CALL_COMPLETED, STATE, TABLES_CHANGELOG, TASK_FAILED
from topics.headers import header

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streams.config.settings import Kafka
    from tests.brokers import BrokerInUse, StartOwnBroker

    Eventually = Callable[[Callable[[], bool]], Awaitable[None]]

pytestmark = pytest.mark.bus


def total(view: StateView) -> int:
    return view.spend("all").total.calls


def is_above(view: StateView, count: int) -> bool:
    return total(view) > count


async def test_a_worker_killed_twice_in_the_middle_counts_every_call_once(
    kafka: Kafka, publisher: Publisher, start_worker: StartWorker, eventually: Eventually
) -> None:
    now = time.time()
    calls, ledger = list(many_calls(2_000, now)), Ledger(publisher, kafka)
    async with StateView(kafka, {}) as view:
        for begin, end in ((0, 700), (700, 1_400)):
            worker = await start_worker(kafka, "the-only-one")
            # The second half comes while the first is being folded, and is cut off.
            await ledger.publish(calls[begin : begin + 350])
            await eventually(partial(is_above, view, begin))
            await ledger.publish(calls[begin + 350 : end])
            await worker.kill()
        await start_worker(kafka, "the-only-one")
        await ledger.publish(calls[1_400:])
        await eventually(lambda: total(view) >= 2_000 and health_calls(view) >= 2_000)

        assert seen(view) == ledger.expected(time.time())
        assert health_calls(view) == 2_000


@pytest.mark.timeout(400)
async def test_two_workers_share_the_partitions_and_hand_them_over(
    kafka: Kafka, publisher: Publisher, start_worker: StartWorker, eventually: Eventually
) -> None:
    calls, ledger = list(many_calls(2_000, time.time())), Ledger(publisher, kafka)
    async with StateView(kafka, {}) as view:
        first = await start_worker(kafka)
        await first.owns(4)
        await ledger.publish(calls[:500])
        second = await start_worker(kafka)
        await ledger.publish(calls[500:1_000])
        shares = [await first.owns(2), await second.owns(2)]
        await ledger.publish(calls[1_000:1_500])
        code = await second.stop()
        await ledger.publish(calls[1_500:])
        everything = await first.owns(4)
        await eventually(lambda: total(view) >= 2_000 and health_calls(view) >= 2_000)

        assert shares[0] | shares[1] == everything == {0, 1, 2, 3}
        assert code == 0
        assert seen(view) == ledger.expected(time.time())
        assert health_calls(view) == 2_000


async def test_offsets_committed_ahead_of_the_table_lose_nothing(
    kafka: Kafka, publisher: Publisher, start_worker: StartWorker, eventually: Eventually
) -> None:
    ledger = Ledger(publisher, kafka)
    await ledger.publish(many_calls(400, time.time()))
    source = CALL_COMPLETED.full_name(kafka.prefix)
    async with AIOKafkaConsumer(
        **client_options(kafka, {}), group_id=f"{kafka.prefix}.tables", enable_auto_commit=False
    ) as consumer:
        ahead = {TopicPartition(source, number): 100 for number in range(4)}
        consumer.assign(list(ahead))
        await consumer.commit(ahead)

    await start_worker(kafka)

    async with StateView(kafka, {}) as view:
        await eventually(lambda: total(view) >= 400)
        assert seen(view) == ledger.expected(time.time())


async def test_what_is_no_call_goes_to_the_dead_letters_and_the_rest_goes_on(
    kafka: Kafka, publisher: Publisher, start_worker: StartWorker, eventually: Eventually
) -> None:
    source = CALL_COMPLETED.full_name(kafka.prefix)
    bad = [b"{not json", b"\xff\xfe", b"[]", None]
    for value in bad:
        await publisher.publish(Outgoing(source, 2, b"a key", value, [("x", b"1"), ("x", b"2")]))
    await publisher.publish(Outgoing(source, 2, None, b"no key", []))
    ledger = Ledger(publisher, kafka)
    await ledger.publish(many_calls(8, time.time()))
    worker = await start_worker(kafka)

    async with StateView(kafka, {}) as view:
        await eventually(lambda: total(view) >= 8)

    letters = await everything(kafka, TASK_FAILED.full_name(kafka.prefix), 2)
    assert [letter.value for letter in letters] == [*bad, b"no key"]
    assert [letter.key for letter in letters] == [b"a key"] * 4 + [None]
    assert [pair for pair in letters[0].headers if pair[0] == "x"] == [("x", b"1"), ("x", b"2")]
    assert header(letters[0].headers, "__streams.errors.offset") == "0"
    assert header(letters[0].headers, "__streams.errors.exception") == "NotJson"
    assert await worker.metric("sluice_tables_rejected_total") == 5


async def test_a_worker_says_how_it_is(
    kafka: Kafka, publisher: Publisher, start_worker: StartWorker, eventually: Eventually
) -> None:
    worker = await start_worker(kafka)
    await worker.owns(4)
    await Ledger(publisher, kafka).publish(many_calls(100, time.time()))
    async with StateView(kafka, {}) as view:
        await eventually(lambda: total(view) >= 100)

    assert await worker.metric("sluice_tables_events_folded_total") == 100
    assert await worker.metric("sluice_tables_partitions") == 4
    assert (await worker.health())["lag"] == 0
    assert await worker.stop() == 0


async def test_a_worker_that_is_stopped_leaves_nothing_it_counted_unpublished(
    kafka: Kafka, publisher: Publisher, eventually: Eventually
) -> None:
    ledger = Ledger(publisher, kafka)
    await ledger.publish(many_calls(2_000, time.time()))

    async with TablesService(Settings(kafka=kafka, tables=Tables(http_port=0)), {}) as service:
        folded = service.metrics.registry.get_sample_value
        await eventually(lambda: (folded("sluice_tables_events_folded_total") or 0) >= 2_000)

    async with StateView(kafka, {}) as view:
        await view.caught_up()
        assert seen(view) == ledger.expected(time.time())


async def test_missing_topics_end_the_worker_with_the_cure(broker: BrokerInUse, topic_prefix: str) -> None:
    from streams.config.settings import Kafka  # noqa: PLC0415 - a type elsewhere in this module

    process = await launch(Kafka(brokers=broker.bootstrap, prefix=topic_prefix))
    _, said = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 1
    assert b"sluice topics apply" in said
    assert b"Traceback" not in said


async def test_topics_that_differ_in_their_partitions_end_the_worker(
    broker: BrokerInUse, topic_prefix: str
) -> None:
    from streams.config.settings import Kafka  # noqa: PLC0415 - a type elsewhere in this module

    kafka = Kafka(brokers=broker.bootstrap, prefix=topic_prefix)
    counts = {CALL_COMPLETED: 4, TABLES_CHANGELOG: 2, STATE: 4, TASK_FAILED: 4}
    async with admin_client(client_options(kafka, {})) as admin:
        await admin.create_topics(
            [NewTopic(topic.full_name(topic_prefix), count, 1) for topic, count in counts.items()]
        )

    process = await launch(kafka)
    _, said = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 1
    assert f"{TABLES_CHANGELOG.full_name(topic_prefix)} has 2".encode() in said


async def test_tables_can_live_beside_others_in_one_loop_and_be_started_again(
    kafka: Kafka, publisher: Publisher, eventually: Eventually
) -> None:
    settings, ledger = Settings(kafka=kafka, tables=Tables(http_port=0)), Ledger(publisher, kafka)
    before = asyncio.all_tasks()
    async with StateView(kafka, {}) as view:
        for _ in range(2):
            async with TablesService(settings, {}) as service:
                await ledger.publish(many_calls(200, time.time()))
                await asyncio.wait_for(service.ready(), 60)
                await eventually(lambda: total(view) >= ledger.count)

        assert seen(view) == ledger.expected(time.time())
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()


async def test_tables_and_view_survive_a_broker_that_is_killed_and_started_again(
    own_broker: StartOwnBroker, topic_prefix: str, eventually: Eventually
) -> None:
    from streams.config.settings import Kafka  # noqa: PLC0415 - a type elsewhere in this module
    from topics.provision import apply  # noqa: PLC0415 - only here

    broker = await own_broker()
    kafka = Kafka(brokers=broker.bootstrap, prefix=topic_prefix, partitions=4)
    async with admin_client(client_options(kafka, {})) as admin:
        await apply(admin, prefix=topic_prefix, partitions=4, replication=1)
    calls = list(many_calls(1_000, time.time()))
    async with (
        Publisher(client_options(kafka, {})) as publisher,
        TablesService(Settings(kafka=kafka, tables=Tables(http_port=0)), {}),
        StateView(kafka, {}) as view,
    ):
        ledger = Ledger(publisher, kafka)
        await ledger.publish(calls[:500])
        await eventually(lambda: total(view) >= 250)

        broker.kill()
        await broker.restart()
        await ledger.publish(calls[500:])
        await eventually(lambda: total(view) >= 1_000 and health_calls(view) >= 1_000)

        assert seen(view) == ledger.expected(time.time())


async def everything(kafka: Kafka, topic: str, partition: int) -> list[AIOKafkaConsumer]:
    """All records of a partition."""
    records = []
    where = TopicPartition(topic, partition)
    async for _, some in read_to_end(client_options(kafka, {}), {where: None}):
        records.extend(some)
    return records
