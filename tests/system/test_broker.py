"""The broker goes away: under load, or before anybody started."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams.bus.closing import CLOSE_WITHIN_S
from streams.embedded.broker.ports import pick_free
from streams.state.view import StateView
from tests.router.harness import Bus, until
from tests.system.audit import audit
from tests.system.cluster import cluster, covers
from tests.system.processes import Worker

if TYPE_CHECKING:
    from pathlib import Path

    from tests.brokers import StartOwnBroker

pytestmark = pytest.mark.system

NO_BROKER_WITHIN_S = 30.0


async def test_a_broker_killed_and_restarted_under_load_loses_nothing(
    own_broker: StartOwnBroker, topic_prefix: str, tmp_path: Path
) -> None:
    broker = await own_broker()
    bus = Bus(broker.bootstrap, topic_prefix, idempotent=True)
    async with cluster(bus, tmp_path, routers=2, tables=1) as one:
        await one.start(*one.workers)
        await one.submit(500)
        await one.until_results(100)

        broker.kill()
        await broker.restart()
        await one.until_results(300)
        broker.kill()
        await broker.restart()
        await one.until_results(500, within_s=90)

        assert all(len(worker.lives) == 1 and worker.alive for worker in one.workers.values())
        await asyncio.gather(*(router.terminate(20) for router in one.routers))
        found = await audit(one)
        assert found.without_one_result() == {}
        assert found.failed() == []
        assert found.dead_letters == 0
        assert found.repeated_without_loss() == {}
        assert found.unrecorded_requests() == []
        async with StateView(one.kafka, {}) as view:
            await until(lambda: covers(view, found), within_s=40)
            total = view.spend("all").total
            assert (total.calls, total.cost_nusd) == found.spend()


async def test_a_router_stopped_while_its_broker_is_away_ends_in_time(
    own_broker: StartOwnBroker, topic_prefix: str, tmp_path: Path
) -> None:
    broker = await own_broker()
    bus = Bus(broker.bootstrap, topic_prefix, idempotent=True)
    async with cluster(bus, tmp_path, routers=1, drain_timeout_s=2) as one:
        await one.start("router-1")
        await one.submit(100)
        await one.until_results(20)

        broker.kill()
        code, took_s = await one["router-1"].terminate(40)

        assert code == 0
        assert took_s < 2 + 4 * CLOSE_WITHIN_S
        assert "Traceback" not in one["router-1"].output()
        await broker.restart()
        await one.start("router-1")
        await one.until_results(100)
        await one["router-1"].terminate(20)
        found = await audit(one)
        assert found.without_one_result() == {}
        assert found.repeated_without_loss() == {}


@pytest.mark.parametrize(
    ("role", "says"), [("router", "no Kafka broker answers"), ("tables", "tables.not_started")]
)
async def test_a_worker_without_a_broker_says_so_and_ends(role: str, says: str, tmp_path: Path) -> None:
    config = tmp_path / "sluice.yaml"
    config.write_text(
        f"kafka: {{brokers: '127.0.0.1:{pick_free()}'}}\n"
        "providers: {local: {base_url: 'http://127.0.0.1:1/v1'}}\n"
        "models: [{name: m, provider: local, prices: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}]\n"
    )
    worker = Worker(f"{role}-1", role, config, tmp_path)
    worker.start()
    try:
        code, _ = await worker.ended(NO_BROKER_WITHIN_S)
    finally:
        if worker.child is not None:
            worker.child.kill()
    assert code == 1
    assert says in worker.output().splitlines()[-1]
    assert "Traceback" not in worker.output()
