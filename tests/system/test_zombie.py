"""A router that stops moving, is taken for dead, and wakes up with calls in flight."""

from __future__ import annotations

import signal
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from streams.state.view import StateView
from tests.router.harness import PARTITIONS, Bus, until
from tests.system.audit import audit
from tests.system.cluster import MAX_CALLS, cluster, committed, covers, share

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system

EVERYTHING = set(range(PARTITIONS))


async def test_a_router_that_was_taken_for_dead_harms_nothing_when_it_wakes(bus: Bus, tmp_path: Path) -> None:
    async with cluster(bus, tmp_path, routers=2, tables=1) as one:
        await one.start(*one.workers)
        await one.submit(250)
        await one.until_results(60)
        positions = [await committed(bus)]

        async def shared_again() -> bool:
            positions.append(await committed(bus))
            mine, theirs = share(one["router-1"]), share(one["router-2"])
            return mine | theirs == EVERYTHING and not mine & theirs

        one["router-1"].signal(signal.SIGSTOP)
        await until(lambda: share(one["router-2"]) == EVERYTHING)
        one["router-1"].signal(signal.SIGCONT)
        await until(shared_again)
        await one.until_results(250)
        positions.append(await committed(bus))
        codes = [(await router.terminate(20))[0] for router in one.routers]

        found = await audit(one)
        assert codes == [0, 0]
        assert found.without_one_result() == {}
        assert found.failed() == []
        assert found.dead_letters == 0
        assert found.unrecorded_requests() == []
        assert 0 < len(found.asked_again()) <= 2 * MAX_CALLS
        for earlier, later in pairwise(positions):
            assert all(later[number] >= offset for number, offset in earlier.items())
        async with StateView(one.kafka, {}) as view:
            await until(lambda: covers(view, found))
            # Where both routers report the same start of a call it counts twice: more than was spent, never less.
            assert view.spend("all").total.calls == len(found.calls)
            assert view.spend("all").total.cost_nusd >= found.spend()[1]
