"""`sluice submit`: what goes out, what is refused, and waiting for what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka.partitioner import DefaultPartitioner

from streams.cli.awaiting import Awaited
from streams.cli.submit import prepare, repeated_ids
from streams.cli.task_files import complaints, lines_of
from tests.cli.harness import PARTITIONS, ended, json_lines
from topics.catalog import TASK_SUBMITTED, TASK_SUBMITTED_BATCH
from topics.events import Failure, ResultStatus
from topics.headers import Source, header

if TYPE_CHECKING:
    from tests.cli.harness import Bus, Folder


def test_a_line_with_an_id_goes_out_as_it_stands() -> None:
    text = b'  { "prompt":"Why?",  "task_id" : "t-1", "seed": 1.0e3 } '
    [line] = lines_of("f", text + b"\r\n")

    prepared = prepare(line)

    assert (prepared.task_id, prepared.value) == ("t-1", text)


def test_a_line_without_an_id_is_given_one_and_nothing_else_changes() -> None:
    [line] = lines_of("f", b'{"prompt": "Why?", "metadata": {"n": 123456789012345678901234567890}}\n')

    prepared = prepare(line)

    assert orjson.loads(prepared.value)["task_id"] == prepared.task_id
    assert prepared.value.endswith(b', "prompt": "Why?", "metadata": {"n": 123456789012345678901234567890}}')


@pytest.mark.parametrize("text", [b'{"prompt": "Why?", "task_id": null}', b'{"prompt": "Why?"}'])
def test_fresh_ids_differ(text: bytes) -> None:
    [line] = lines_of("f", text)

    first, second = prepare(line), prepare(line)

    assert first.task_id != second.task_id
    assert orjson.loads(first.value) == {"prompt": "Why?", "task_id": first.task_id}


@pytest.mark.parametrize("text", [b"{}", b"[]", b'"text"', b"{nope", b"\xff\xfe", b'{"task_id": 7}'])
def test_what_is_no_task_can_be_prepared_too(text: bytes) -> None:
    [line] = lines_of("f", text)

    assert prepare(line).task_id


def test_a_file_can_be_sent_again_with_new_ids() -> None:
    [line] = lines_of("f", b'{"prompt": "Why?", "task_id": "t-1"}')

    prepared = prepare(line, new_id=True)

    assert prepared.task_id != "t-1"
    assert orjson.loads(prepared.value) == {"prompt": "Why?", "task_id": prepared.task_id}


def test_a_byte_order_mark_and_blank_lines_are_passed_over() -> None:
    lines = lines_of("f", b'\xef\xbb\xbf{"prompt": "Why?"}\n\n  \n{"prompt": ""}\n')

    assert [line.number for line in lines] == [1, 4]
    assert complaints(lines) == ["f:4: `prompt` is empty; say what is to be done"]


def test_an_id_that_comes_twice_is_named() -> None:
    lines = lines_of("f", json_lines([{"prompt": "Why?", "task_id": name} for name in "abca"]))

    assert repeated_ids(lines) == ["f:4: line 1 has the same task_id; give every task its own"]


def test_a_result_of_an_earlier_submission_is_not_taken_for_this_one() -> None:
    awaited = Awaited({"s.task.submitted.v1:0:7": "t-1"}, "s.task.submitted.v1")

    assert not awaited.settle("s.task.submitted.v1:0:3", "t-1")
    assert awaited.settle("s.task.submitted.v1:0:7", "t-1")


def test_a_result_made_elsewhere_is_known_by_its_id() -> None:
    awaited = Awaited({"s.task.submitted.v1:0:7": "t-1"}, "s.task.submitted.v1")

    assert awaited.settle("another.topic:0:3", "t-1")
    assert not awaited.settle(None, "t-1")


async def test_one_bad_line_stops_all(here: Folder) -> None:
    here.write("tasks.jsonl", '{"prompt": "Why?"}\n{"prompt": 3}\nnope\n')

    done = await here.run("submit", "tasks.jsonl", "--brokers", "127.0.0.1:1")

    assert done.code == 2
    assert "tasks.jsonl:2: Expected `str | null`, got `int` - at `$.prompt`" in done.error
    assert "tasks.jsonl:3: not JSON" in done.error
    assert "nothing was sent" in done.error


@pytest.mark.bus
async def test_tasks_go_where_kafkas_own_partitioner_puts_them(bus: Bus) -> None:
    tasks = [{"task_id": f"t-{number}", "prompt": "Why?"} for number in range(20)]
    bus.folder.write("tasks.jsonl", json_lines(tasks))

    done = await bus.run("submit", "tasks.jsonl", "--json")

    records = await bus.read_at_least(TASK_SUBMITTED, len(tasks))
    every = list(range(PARTITIONS))
    assert done.code == 0, done.error
    assert sorted(orjson.loads(r.value)["task_id"] for r in records) == sorted(t["task_id"] for t in tasks)
    assert all(r.partition == DefaultPartitioner()(r.key, every, every) for r in records)
    assert {header(r.headers, "ce_type") for r in records} == {"task.submitted.v1"}
    told = {one["task_id"]: one["source"] for one in done.lines}
    assert told == {r.key.decode(): str(Source(r.topic, r.partition, r.offset)) for r in records}


@pytest.mark.bus
async def test_tasks_that_can_wait_go_to_their_own_topic(bus: Bus) -> None:
    done = await bus.run("submit", "-", "--batch", given=b'{"prompt": "Why?"}\n')

    assert done.code == 0
    assert len(await bus.read(TASK_SUBMITTED_BATCH)) == 1
    assert await bus.read(TASK_SUBMITTED) == []


@pytest.mark.bus
async def test_waiting_prints_each_result_as_json(bus: Bus) -> None:
    bus.folder.write("tasks.jsonl", '{"task_id": "t-1", "prompt": "Why?"}\n{"prompt": "How?"}\n')
    process = await bus.start("submit", "tasks.jsonl", "--wait", "--json", "--timeout-s", "50")
    for task in await bus.read_at_least(TASK_SUBMITTED, 2):
        await bus.complete(task)

    done = await ended(process)

    assert done.code == 0, done.error
    assert len(done.lines) == 2
    assert "t-1" in {one["task_id"] for one in done.lines}
    assert {one["answer"]["content"] for one in done.lines} == {"It is 42.\nBecause it is."}
    assert "2 of 2 tasks completed; $0.002000, 90.0% less than $0.0200 with the best model" in done.error


@pytest.mark.bus
async def test_waiting_shows_results_to_a_person(bus: Bus) -> None:
    process = await bus.start("submit", "-", "--wait", "--timeout-s", "50")
    assert process.stdin is not None
    process.stdin.write(b'{"task_id": "t-1", "prompt": "Why?"}\n')
    process.stdin.write_eof()
    [task] = await bus.read_at_least(TASK_SUBMITTED, 1)
    await bus.complete(task)

    done = await ended(process)

    assert done.code == 0
    assert done.out.decode() == "done  t-1  small · $0.001000 · 1.50 s\n  It is 42.\n  Because it is.\n"


@pytest.mark.bus
async def test_failures_dead_letters_and_silence_are_exit_code_1(bus: Bus) -> None:
    names = ("good", "failed", "dead", "silent")
    bus.folder.write("tasks.jsonl", json_lines([{"task_id": name, "prompt": "Why?"} for name in names]))
    process = await bus.start("submit", "tasks.jsonl", "--wait", "--json", "--timeout-s", "6")
    tasks = {record.key.decode(): record for record in await bus.read_at_least(TASK_SUBMITTED, 4)}
    dead = tasks["dead"]
    await bus.complete(tasks["good"])
    failure = Failure("calls_failed", "all calls failed; look at the provider")
    await bus.complete(tasks["failed"], status=ResultStatus.FAILED, answer=None, failure=failure)
    await bus.bury(Source(dead.topic, dead.partition, dead.offset), dead.key, dead.value, list(dead.headers))

    done = await ended(process)

    assert done.code == 1
    assert {one["task_id"]: one["status"] for one in done.lines} == {
        "good": "completed",
        "failed": "failed",
        "dead": "dead_letter",
    }
    assert "1 of 4 tasks completed, 1 failed, 1 dead letters, 1 without a result after 6 s" in done.error
    assert "waiting for silent" in done.error


@pytest.mark.bus
async def test_force_sends_what_is_no_task(bus: Bus) -> None:
    done = await bus.run("submit", "-", "--force", given=b'{"prompt": \n{"prompt": "Why?"}\n')

    assert done.code == 0
    assert "<stdin>:1: not JSON" in done.error
    assert b'{"prompt": ' in {record.value for record in await bus.read(TASK_SUBMITTED)}


@pytest.mark.bus
async def test_missing_topics_are_one_sentence(bus: Bus) -> None:
    done = await bus.folder.run(
        "submit", "-", "--brokers", bus.bootstrap, "--prefix", "nowhere", given=b'{"prompt": "Why?"}'
    )

    assert done.code == 1
    assert "no topic nowhere.task.submitted.v1; create the topics with `sluice topics apply`" in done.error
