"""`sluice explain TASK_ID`: a task's events are found and told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiokafka.partitioner import DefaultPartitioner

from streams.cli.deciding import decisions_of
from streams.cli.task_files import lines_of
from streams.config.load import load_settings
from tests.cli.harness import PARTITIONS, a_result
from topics import codec
from topics.catalog import CALL_COMPLETED, TASK_COMPLETED, TASK_ROUTED, TASK_SUBMITTED
from topics.events import CallCompleted, CallStatus, CheckOutcome, CostSource, TaskRouted, Usage
from topics.headers import Source

if TYPE_CHECKING:
    from tests.cli.harness import Bus

pytestmark = pytest.mark.bus

KEY = b"t-1"


def _decision(bus: Bus, source: Source, *, at: float) -> TaskRouted:
    settings = load_settings(bus.folder.path / "sluice.yaml", environ={})
    lines = lines_of("f", b'{"task_id": "t-1", "type": "sql", "prompt": "How many?"}')
    [(_, decision)] = decisions_of(lines, settings, now=at)
    return replace(decision, source=str(source))


def _call(decision: TaskRouted) -> CallCompleted:
    return CallCompleted(
        event_id="e-1",
        call_id="c-1",
        task_id="t-1",
        source=decision.source,
        decision_id=decision.decision_id,
        model="middle",
        provider="local",
        step=0,
        attempt=0,
        status=CallStatus.OK,
        started_at=1.0,
        latency_s=0.25,
        cost_nusd=1_000_000,
        cost_source=CostSource.USAGE,
        usage=Usage(input_tokens=120, output_tokens=30),
        checks=(CheckOutcome("not_empty", passed=True),),
    )


async def _run_through(bus: Bus, source: Source, *, at: float = 1_700_000_000.0) -> None:
    decision = _decision(bus, source, at=at)
    result = replace(a_result("t-1", str(source)), model="middle")
    for topic, event in (
        (TASK_ROUTED, decision),
        (CALL_COMPLETED, _call(decision)),
        (CALL_COMPLETED, replace(_call(decision), task_id="another", source="elsewhere:0:0")),
        (TASK_COMPLETED, result),
    ):
        await bus.produce(topic, source.partition, KEY, codec.encode(event))


@pytest.mark.parametrize("where", ["where its key belongs", "elsewhere"])
async def test_the_whole_story_is_told(bus: Bus, where: str) -> None:
    every = list(range(PARTITIONS))
    likely: int = DefaultPartitioner()(KEY, every, every)
    partition = likely if where == "where its key belongs" else (likely + 1) % PARTITIONS
    await _run_through(bus, Source(bus.name(TASK_SUBMITTED), partition, 7))

    text, as_json = await bus.run("explain", "t-1"), await bus.run("explain", "t-1", "--json")

    told = text.out.decode()
    assert text.code == as_json.code == 0, text.error
    for expected in (
        "Task t-1  completed",
        "rule sql: middle is the cheapest of 1 eligible",
        "120 → 30",
        "not_empty passed",
        "spent",
        "It is 42.",
    ):
        assert expected in told
    [story] = as_json.lines
    assert [call["model"] for call in story["calls"]] == ["middle"]
    assert story["result"]["source"] == story["decision"]["source"]


async def test_of_several_the_newest_is_told(bus: Bus) -> None:
    topic = bus.name(TASK_SUBMITTED)
    await _run_through(bus, Source(topic, 0, 7), at=1_700_000_000.0)
    await _run_through(bus, Source(topic, 0, 9), at=1_700_000_100.0)

    told = await bus.run("explain", "t-1")

    assert f"{topic}:0:9".encode() in told.out
    assert b"1 earlier with this id" in told.out


async def test_a_dead_letter_is_pointed_at(bus: Bus) -> None:
    position = await bus.bury(Source(bus.name(TASK_SUBMITTED), 1, 5), KEY, b"{", [])

    told = await bus.run("explain", "t-1")

    assert told.code == 1
    assert f"`sluice dlq show {position}`" in told.error


async def test_an_unknown_task_is_exit_code_1(bus: Bus) -> None:
    told = await bus.run("explain", "t-1")

    assert told.code == 1
    assert "no decision on t-1" in told.error
