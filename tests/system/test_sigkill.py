"""Routers and tables killed at random moments in the middle of 500 tasks: one storm, looked at from all sides.

The moments are drawn from a seed that is printed; SLUICE_TEST_SEED draws the same ones again.
"""

from __future__ import annotations

import os
import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from streams.state.view import StateView
from tests.router.harness import until
from tests.system.audit import Audit, audit
from tests.system.cluster import MAX_CALLS, Cluster, cluster, covers, fresh_bus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.state.merge import Spend
    from tests.brokers import BrokerInUse
    from tests.system.processes import Worker

pytestmark = pytest.mark.system

TASKS = 500
ROUTER_KILLS = 5
TABLES_KILLS = 3
AGAIN_WHILE_JOINING = 0.4


@dataclass(frozen=True)
class Storm:
    """What is left when it is over."""

    audit: Audit
    spend: Spend
    by_model: dict[str, Spend]
    provider_repeats: int
    killed: dict[str, int]
    """How often each worker was killed."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def storm(broker: BrokerInUse, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Storm]:
    seed = int(os.environ.get("SLUICE_TEST_SEED") or random.SystemRandom().randrange(1_000_000))
    sys.stdout.write(f"SLUICE_TEST_SEED={seed}\n")
    bus = fresh_bus(broker.bootstrap, idempotent=broker.idempotent)
    async with cluster(bus, tmp_path_factory.mktemp("storm"), routers=2, tables=2) as one:
        await one.start(*one.workers)
        await one.submit(TASKS)
        await blow(one, random.Random(seed))  # noqa: S311 - moments, not secrets
        await one.until_results(TASKS, within_s=90)
        for router in one.routers:
            assert (await router.terminate(20))[0] == 0
        found = await audit(one)
        async with StateView(one.kafka, {}) as view:
            await until(lambda: covers(view, found), within_s=40)
            models = {model: view.spend(f"model:{model}") for model in found.spend_by_model()}
            yield Storm(
                audit=found,
                spend=view.spend("all"),
                by_model=models,
                provider_repeats=one.provider.simulator.stats()["total"]["repeats"],
                killed={name: len(worker.lives) - 1 for name, worker in one.workers.items()},
            )


async def blow(one: Cluster, chance: random.Random) -> None:
    """Kill somebody whenever so many results are there, and start them again at once."""
    roles = ["router"] * ROUTER_KILLS + ["tables"] * TABLES_KILLS
    chance.shuffle(roles)
    moments = sorted(chance.sample(range(20, TASKS - 60), len(roles)))
    for moment, role in zip(moments, roles, strict=True):
        await one.until_results(moment)
        if role == "tables":
            again(one, chance.choice(one.tables))
        else:
            await hit_routers(one, chance)


async def hit_routers(one: Cluster, chance: random.Random) -> None:
    """One of them, or both at once; sometimes one of them once more, while it is joining."""
    victims = chance.choice(([one["router-1"]], [one["router-2"]], one.routers))
    for router in victims:
        again(one, router)
    if chance.random() < AGAIN_WHILE_JOINING:
        await until(lambda: victims[0].said("router.started"))
        again(one, victims[0])


def again(one: Cluster, worker: Worker) -> None:
    one.kill(worker.name)
    worker.start()


async def test_every_task_has_exactly_one_distinct_result(storm: Storm) -> None:
    assert storm.audit.without_one_result() == {}
    assert len(storm.audit.results_of()) == TASKS


async def test_every_result_is_an_answer_and_nothing_is_a_dead_letter(storm: Storm) -> None:
    assert storm.audit.failed() == []
    assert storm.audit.dead_letters == 0


async def test_only_calls_that_were_in_flight_are_repeated(storm: Storm) -> None:
    found = storm.audit
    kills = sum(times for name, times in storm.killed.items() if name.startswith("router"))
    assert found.repeated_without_loss() == {}
    assert found.repeated_without_kill() == {}
    assert found.asked_after_answer() == {}
    assert storm.provider_repeats <= sum(len(times) - 1 for times in found.asked_again().values())
    assert len(found.unknown) <= kills * 2 * MAX_CALLS


async def test_a_finished_task_is_never_called_again(storm: Storm) -> None:
    assert storm.audit.asked_after_result() == {}
    assert storm.audit.written_after_result() == []


async def test_every_request_is_on_record_after_its_decision(storm: Storm) -> None:
    assert storm.audit.unrecorded_requests() == []
    assert storm.audit.asked_before_decision() == []


async def test_every_call_is_on_record_once_and_known_by_its_id(storm: Storm) -> None:
    assert storm.audit.repeated_events() == {}
    assert all(entry.ce_id == entry.event.event_id for entry in storm.audit.calls)


async def test_spend_in_the_tables_is_the_sum_over_distinct_calls(storm: Storm) -> None:
    calls, cost_nusd = storm.audit.spend()
    assert (storm.spend.total.calls, storm.spend.total.cost_nusd) == (calls, cost_nusd)
    models = {model: (one.total.calls, one.total.cost_nusd) for model, one in storm.by_model.items()}
    assert models == storm.audit.spend_by_model()


async def test_the_storm_was_one(storm: Storm) -> None:
    routers = [times for name, times in storm.killed.items() if name.startswith("router")]
    assert sum(routers) >= ROUTER_KILLS
    assert storm.audit.unknown, "no kill met a call in flight"
