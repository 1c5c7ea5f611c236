"""What a router does with tasks that another one had in hand: every place where a crash can leave them."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streams.bus.topology import committed_offsets
from streams.router.service import Router
from streams.router.takeover import metadata_of, tails_of
from tests.router.harness import Bus, Provider, crash, running, settings, until
from topics import catalog
from topics.headers import call_id_of

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

pytestmark = pytest.mark.bus

WAITING = {"prompt": "wait for it", "task_id": "held"}


@pytest.fixture
async def crashed(bus: Bus, provider: Provider, commit_metadata: None) -> Any:  # noqa: ARG001 - a condition
    """Starts a router that never commits after its first position, and ends it without a drain."""
    routers: list[Router] = []

    async def start_and_crash(when: Any) -> None:
        configured = settings(bus, provider.url, commit_interval_s=60)
        async with Router(configured, os.environ) as router:
            work = asyncio.create_task(router.run())
            routers.append(router)
            await until(when)
            await crash(router, work)

    return start_and_crash


def restarted(bus: Bus, provider: Provider) -> AbstractAsyncContextManager[Router]:
    return running(settings(bus, provider.url))


async def test_a_finished_task_is_not_paid_for_twice(bus: Bus, provider: Provider, crashed: Any) -> None:
    await bus.submit(*({"prompt": f"x {n}", "task_id": f"t{n}"} for n in range(20)))

    async def answered() -> bool:
        return await bus.count(catalog.TASK_COMPLETED) == 20

    await crashed(answered)
    assert len(provider.keys) == 20
    async with restarted(bus, provider) as router:
        await until(lambda: router.metrics.skipped._value.get() == 20)
        await bus.submit({"prompt": "new", "task_id": "new"})
        await bus.results(21)
    assert len(provider.keys) == 21
    assert await bus.count(catalog.TASK_ROUTED) == 21


async def test_a_call_in_flight_is_reported_and_repeated_under_its_id(
    bus: Bus, provider: Provider, crashed: Any
) -> None:
    await bus.submit(WAITING)
    await crashed(lambda: len(provider.keys) == 1)
    provider.gate.set()
    async with restarted(bus, provider):
        [result] = await bus.results(1)
    assert provider.keys == [call_id_of(result["decision_id"], 0, 0)] * 2
    lost, repeated = await bus.events(catalog.CALL_COMPLETED)
    [routed] = await bus.events(catalog.TASK_ROUTED)
    assert lost["status"] == "outcome_unknown"
    assert lost["cost_source"] == "reservation"
    assert lost["cost_nusd"] == round(routed["reserved_usd"] * 1e9)
    assert (repeated["status"], repeated["repeat"]) == ("ok", 1)
    assert lost["event_id"] != repeated["event_id"]
    assert lost["call_id"] == repeated["call_id"]
    assert result["cost_usd"] == pytest.approx((lost["cost_nusd"] + repeated["cost_nusd"]) / 1e9)


async def test_every_crash_in_flight_is_counted(bus: Bus, provider: Provider, crashed: Any) -> None:
    await bus.submit(WAITING)
    await crashed(lambda: len(provider.keys) == 1)
    await crashed(lambda: len(provider.keys) == 2)
    provider.gate.set()
    async with restarted(bus, provider):
        await bus.results(1)
    calls = await bus.events(catalog.CALL_COMPLETED)
    assert [call["status"] for call in calls] == ["outcome_unknown", "outcome_unknown", "ok"]
    assert [call["repeat"] for call in calls] == [0, 1, 2]
    assert len({call["event_id"] for call in calls}) == 3


@pytest.mark.usefixtures("commit_metadata")
async def test_a_plan_goes_on_where_it_stood(bus: Bus, provider: Provider) -> None:
    provider.down = {"small"}
    [offset] = await bus.submit({"prompt": "x", "task_id": "t"})
    async with running(settings(bus, provider.url)):
        await bus.results(1)
    [result] = await bus.records(catalog.TASK_COMPLETED)
    tails = {topic.name: 0 for topic in (catalog.TASK_ROUTED, catalog.CALL_COMPLETED, catalog.TASK_FAILED)}
    tails[catalog.TASK_COMPLETED.name] = result.offset + 1  # as if the result had not been written
    await _commit(bus, offset, metadata_of(tails))
    asked = len(provider.keys)
    async with restarted(bus, provider):
        results = await bus.results(2)
    assert len(provider.keys) == asked, "an answer on record is not asked for again"
    assert results[0]["result_id"] == results[1]["result_id"]
    assert results[1]["answer"]["content"] == "middle answers"


@pytest.mark.usefixtures("commit_metadata")
async def test_a_call_whose_record_was_lost_is_put_on_record_from_its_result(
    bus: Bus, provider: Provider
) -> None:
    provider.down = {"small"}
    [offset] = await bus.submit({"prompt": "x", "task_id": "t"})
    async with running(settings(bus, provider.url)):
        await bus.results(1)
    first, answering = await bus.records(catalog.CALL_COMPLETED)
    assert answering.offset == first.offset + 1
    tails = {topic.name: 0 for topic in (catalog.TASK_ROUTED, catalog.TASK_COMPLETED, catalog.TASK_FAILED)}
    tails[catalog.CALL_COMPLETED.name] = answering.offset + 1  # as if neither call had been written
    await _commit(bus, offset, metadata_of(tails))
    async with restarted(bus, provider) as router:
        await until(lambda: router.metrics.skipped._value.get() == 1)
        await until(lambda: router._assignment.open_tasks == 0)
    *_, original, made_again = await bus.events(catalog.CALL_COMPLETED)
    assert made_again["event_id"] == original["event_id"]
    same = ("call_id", "model", "status", "cost_nusd", "usage", "step", "attempt", "tenant", "tier")
    assert {name: made_again[name] for name in same} == {name: original[name] for name in same}
    assert made_again["cost_source"] == "result"
    assert await bus.count(catalog.TASK_COMPLETED) == 1


@pytest.mark.usefixtures("commit_metadata")
async def test_a_position_set_with_other_tools_means_again(bus: Bus, provider: Provider) -> None:
    [offset] = await bus.submit({"prompt": "x", "task_id": "t"})
    async with running(settings(bus, provider.url)):
        await bus.results(1)
    await _commit(bus, offset, "")
    async with restarted(bus, provider):
        await bus.results(2)
    assert len(provider.keys) == 2


@pytest.mark.usefixtures("commit_metadata")
async def test_a_commit_names_the_tails_of_tasks_still_open(bus: Bus, provider: Provider) -> None:
    await bus.submit(*({"prompt": f"x {n}"} for n in range(5)))
    async with running(settings(bus, provider.url)):
        await bus.results(5)
        await bus.submit(WAITING, {"prompt": "y"})
        await bus.results(6)

        async def committed_to_the_open_task() -> bool:
            return bool((await _committed(bus)).offset == 5)

        await until(committed_to_the_open_task)
        tails = tails_of((await _committed(bus)).metadata)
        provider.gate.set()
    assert tails is not None
    assert tails[catalog.TASK_ROUTED.name] <= 5
    assert tails[catalog.TASK_COMPLETED.name] == 5


async def test_a_drain_waits_for_calls_in_flight(bus: Bus, provider: Provider) -> None:
    await bus.submit(WAITING)
    async with Router(settings(bus, provider.url), os.environ) as router:
        work = asyncio.create_task(router.run())
        await until(lambda: len(provider.keys) == 1)
        router.stop()
        await asyncio.sleep(0)
        assert not work.done()
        provider.gate.set()
        await asyncio.wait_for(work, 10)
    assert await bus.count(catalog.TASK_COMPLETED) == 1
    assert (await _committed(bus)).offset == 1


async def test_a_drain_gives_up_at_its_deadline_and_the_task_comes_back(bus: Bus, provider: Provider) -> None:
    await bus.submit(WAITING)
    async with running(settings(bus, provider.url, drain_timeout_s=0.3)):
        await until(lambda: len(provider.keys) == 1)
    assert await bus.count(catalog.TASK_COMPLETED) == 0
    provider.gate.set()
    async with restarted(bus, provider):
        [result] = await bus.results(1)
    assert provider.keys == [call_id_of(result["decision_id"], 0, 0)] * 2


async def test_partitions_move_between_routers_without_loss_or_repeat(bus: Bus, provider: Provider) -> None:
    configured = settings(bus, provider.url)
    count = 0

    async def submit(more: int) -> None:
        nonlocal count
        for n in range(count, count + more):
            await bus.submit({"prompt": f"x {n}", "task_id": f"t{n}"}, partition=n % 3)
        count += more

    async with running(configured) as first:
        await submit(30)
        async with running(configured) as second:
            await submit(30)
            await until(lambda: _shared(first, second))
            await submit(30)
            await bus.results(90)
        await submit(30)
        results = await bus.results(120)
    assert len({result["task_id"] for result in results}) == len(results) == 120
    assert len(provider.keys) == len(set(provider.keys)) == 120


def _shared(*routers: Router) -> bool:
    """Every router has partitions, the same numbers of both task topics, and no partition has two owners."""
    owned = [set(router._assignment.partitions) for router in routers]
    numbers = [{where.partition for where in one} for one in owned]
    return all(owned) and sum(map(len, owned)) == 6 and sum(map(len, numbers)) == 3


async def _committed(bus: Bus) -> OffsetAndMetadata:
    where = TopicPartition(bus.name(catalog.TASK_SUBMITTED), 0)
    found = await committed_offsets(bus.options, f"{bus.prefix}.router", [where])
    return found.get(where, OffsetAndMetadata(-1, ""))


async def _commit(bus: Bus, offset: int, metadata: str) -> None:
    """Set the group's position, as a router would have left it or as an operator's tool does."""
    where = TopicPartition(bus.name(catalog.TASK_SUBMITTED), 0)
    idle = TopicPartition(bus.name(catalog.TASK_SUBMITTED_BATCH), 0)
    async with AIOKafkaConsumer(
        **bus.options, group_id=f"{bus.prefix}.router", enable_auto_commit=False
    ) as consumer:
        consumer.assign([where, idle])
        committed = {where: OffsetAndMetadata(offset, metadata), idle: OffsetAndMetadata(0, metadata)}
        await consumer.commit(committed)
