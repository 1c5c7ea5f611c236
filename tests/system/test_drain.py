"""Routers that are asked to go, and routers that come: nothing is lost, nothing is done twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.router.harness import PARTITIONS, Bus, until
from tests.system.audit import audit
from tests.system.cluster import DRAIN_TIMEOUT_S, cluster, committed, share
from tests.system.provider import models

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.audit import Audit

pytestmark = pytest.mark.system


def assert_everything_was_done_once(found: Audit) -> None:
    assert found.without_one_result() == {}
    assert found.repeated_results() == {}
    assert found.failed() == []
    assert found.dead_letters == 0
    assert found.unknown == []
    assert found.asked_again() == {}
    assert found.repeated_events() == {}
    assert len(found.routed) == len(found.submitted)


async def test_sigterm_drains_within_its_deadline(bus: Bus, tmp_path: Path) -> None:
    async with cluster(bus, tmp_path, routers=1) as one:
        await one.start("router-1")
        await one.submit(200)
        await one.until_results(40)
        assert one.provider.in_flight > 0

        code, took_s = await one["router-1"].terminate(DRAIN_TIMEOUT_S + 5)

        at_its_end = await audit(one)
        assert code == 0
        assert took_s < DRAIN_TIMEOUT_S
        assert one.provider.in_flight == 0
        assert len(at_its_end.results) == sum((await committed(bus)).values()) < 200
        assert len(at_its_end.results) == len(at_its_end.routed), "what was begun was ended"
        await one.start("router-1")
        await one.until_results(200)
        await one["router-1"].terminate(DRAIN_TIMEOUT_S + 5)
        assert_everything_was_done_once(await audit(one))


async def test_a_call_that_outlasts_the_drain_stays_uncommitted(bus: Bus, tmp_path: Path) -> None:
    slow = models(ttft_s=60, error_rate=0)
    async with cluster(bus, tmp_path, routers=1, served=slow, drain_timeout_s=1) as one:
        await one.start("router-1")
        await one.submit(3)
        await until(lambda: one.provider.in_flight == 3)

        code, took_s = await one["router-1"].terminate(15)

        assert code == 0
        assert 1 <= took_s < 8
        assert one.results == 0
        assert sum((await committed(bus)).values()) == 0


async def test_routers_share_and_move_partitions_without_loss_or_repeat(bus: Bus, tmp_path: Path) -> None:
    async with cluster(bus, tmp_path, routers=2) as one:
        await one.start("router-1")
        await one.submit(400)
        await one.until_results(60)
        await one.start("router-2")
        await until(lambda: share(one["router-1"]) | share(one["router-2"]) == set(range(PARTITIONS)))
        assert not share(one["router-1"]) & share(one["router-2"])
        await one.until_results(200)

        code, _ = await one["router-1"].terminate(DRAIN_TIMEOUT_S + 5)

        assert code == 0
        await one.until_results(400)
        assert share(one["router-2"]) == set(range(PARTITIONS))
        await one["router-2"].terminate(DRAIN_TIMEOUT_S + 5)
        assert_everything_was_done_once(await audit(one))
