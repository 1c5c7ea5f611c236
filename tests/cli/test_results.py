"""`sluice results`: what is there, the newest, one task's, and what comes."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import orjson
import pytest

from tests.cli.harness import a_result, ended
from topics import codec
from topics.catalog import TASK_COMPLETED
from topics.headers import Source

if TYPE_CHECKING:
    from tests.cli.harness import Bus

pytestmark = pytest.mark.bus


async def _publish(bus: Bus, *names: str) -> None:
    for number, name in enumerate(names):
        result = a_result(name, str(Source("somewhere", number % 3, number)))
        await bus.produce(TASK_COMPLETED, number % 3, name.encode(), codec.encode(result))


async def test_all_results_are_printed(bus: Bus) -> None:
    await _publish(bus, "a", "b", "c", "d")

    as_json, text = await bus.run("results", "--json"), await bus.run("results")

    assert as_json.code == text.code == 0
    assert {one["task_id"] for one in as_json.lines} == {"a", "b", "c", "d"}
    assert text.out.count(b"done  ") == 4
    assert text.out.count(b"  It is 42.") == 4


async def test_a_limit_takes_the_newest_in_order_of_time(bus: Bus) -> None:
    await _publish(bus, "a", "b", "c", "d")

    ended_ = await bus.run("results", "--json", "--limit", "2")

    assert [one["task_id"] for one in ended_.lines] == ["c", "d"]


async def test_one_task_is_found_and_a_missing_one_is_exit_code_1(bus: Bus) -> None:
    await _publish(bus, "a", "b", "c")

    found = await bus.run("results", "--json", "--task", "b")
    missing = await bus.run("results", "--json", "--task", "z")

    assert (found.code, [one["task_id"] for one in found.lines]) == (0, ["b"])
    assert (missing.code, missing.out) == (1, b"")
    assert "no result of task z" in missing.error


async def test_following_shows_what_comes_until_the_limit(bus: Bus) -> None:
    await _publish(bus, "before")
    process = await bus.start("results", "--follow", "--json", "--limit", "1")
    assert process.stderr is not None
    assert b"following" in await process.stderr.readline()
    await _publish(bus, "after")

    done = await ended(process)

    assert done.code == 0
    assert [one["task_id"] for one in done.lines] == ["after"]


async def test_following_from_the_beginning_shows_both_and_ends_on_ctrl_c(bus: Bus) -> None:
    await _publish(bus, "before")
    process = await bus.start("results", "--follow", "--from-beginning", "--json")
    assert process.stdout is not None
    async with asyncio.timeout(30):
        first = await process.stdout.readline()
        await _publish(bus, "after")
        second = await process.stdout.readline()
    process.send_signal(signal.SIGINT)

    done = await ended(process)

    assert [orjson.loads(line)["task_id"] for line in (first, second)] == ["before", "after"]
    assert done.code == 130
    assert "Traceback" not in done.error
