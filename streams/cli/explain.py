"""`sluice explain`: why a task went where it went, for a person.

For a task that ran the events are read from Kafka; for a file the decisions are made here and now, and nothing
is called. How it looks is in `explanation`.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from streams.cli.decide import NowOption, SeedOption, moment, settings_for_files
from streams.cli.options import (
    BrokersOption,
    Bus,
    ConfigOption,
    JsonLinesOption,
    PrefixOption,
    fail,
    load,
    note,
    on_bus,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.cli.explanation import Story
    from topics.catalog import Topic

T = TypeVar("T")


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="TASK_ID|FILE", help="A task's id, or a file of tasks (JSON Lines; - is standard input)."
        ),
    ],
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    now: NowOption = None,
    seed: SeedOption = None,
    *,
    as_json: JsonLinesOption = False,
) -> None:
    """Tell what was understood of a task, what was chosen and why, and what it cost.

    The name of a file that exists is taken for the file.
    """
    if what == "-" or Path(what).is_file():
        stories, problems = _of_file(Path(what), config, now, seed)
    else:
        kafka = load(config, brokers=brokers, prefix=prefix).kafka
        stories, problems = [on_bus(kafka, lambda bus: _of_task(bus, what))], []
    _print(stories, as_json=as_json)
    if problems:
        fail("\n".join(problems))


def _of_file(
    file: Path, config: Path | None, now: str | None, seed: int | None
) -> "tuple[list[Story], list[str]]":
    from streams.cli.deciding import decisions_of
    from streams.cli.explanation import Story
    from streams.cli.task_files import complaints, read_lines_or_fail
    from streams.registry import UnpricedModelError

    settings = settings_for_files(config)
    lines = read_lines_or_fail(file)
    try:
        decided = decisions_of(lines, settings, now=moment(now), seed=seed)
        return [
            Story(decision, origin=f"{line.file}, line {line.number}") for line, decision in decided
        ], complaints(lines)
    except UnpricedModelError as error:
        fail(str(error), code=2)


async def _of_task(bus: Bus, task_id: str) -> "Story":
    """The newest decision on a task, with what came of it. Ends the command where there is none."""
    from aiokafka.partitioner import DefaultPartitioner

    from streams.cli.explanation import Story
    from topics.catalog import CALL_COMPLETED, TASK_COMPLETED, TASK_ROUTED
    from topics.events import CallCompleted, TaskCompleted, TaskRouted

    key = task_id.encode()
    every = list(range((await bus.partition_counts(TASK_ROUTED))[bus.name(TASK_ROUTED)]))
    likely = DefaultPartitioner()(key, every, every)
    found: list[tuple[int, TaskRouted]] = []
    for partitions in ({likely}, set(every) - {likely}):
        found = found or await _with_key(bus, TASK_ROUTED, partitions, key, TaskRouted)
    if not found:
        await _nothing_decided(bus, task_id)
    partition, decision = max(found, key=lambda one: one[1].decided_at)
    calls = await _with_key(bus, CALL_COMPLETED, {partition}, key, CallCompleted)
    results = await _with_key(bus, TASK_COMPLETED, {partition}, key, TaskCompleted)
    mine = [one for _, one in results if one.source == decision.source]
    return Story(
        decision,
        tuple(call for _, call in calls if call.source == decision.source),
        mine[-1] if mine else None,
        other_decisions=len({one.source for _, one in found}) - 1,
    )


async def _with_key(
    bus: Bus, topic: "Topic", partitions: set[int], key: bytes, event_type: type[T]
) -> list[tuple[int, T]]:
    """Events with that key, with their partitions; those with the same id as an earlier one left out."""
    from streams.cli.records import scan
    from topics import codec
    from topics.headers import header

    found: dict[Any, tuple[int, T]] = {}
    async for record in scan(bus, topic, partitions):
        if record.key != key:
            continue
        event = codec.decode(record.value, event_type)
        if not isinstance(event, codec.Rejection):
            event_id = header(record.headers, "ce_id") or (record.partition, record.offset)
            found.setdefault(event_id, (record.partition, event))
    return list(found.values())


async def _nothing_decided(bus: Bus, task_id: str) -> None:
    from streams.cli.dead_letters import DeadLetter
    from streams.cli.records import scan
    from topics.catalog import TASK_FAILED, TASK_ROUTED

    async for record in scan(bus, TASK_FAILED):
        if record.key == task_id.encode():
            letter = DeadLetter.of(record)
            fail(
                f"{task_id} is a dead letter: {letter.message}; `sluice dlq show {letter.position}` shows it"
            )
    fail(
        f"no decision on {task_id} in {bus.name(TASK_ROUTED)}, and there is no such file; "
        "is the id right, and is a router running (`sluice worker router`)?"
    )


def _print(stories: "Sequence[Story]", *, as_json: bool) -> None:
    if as_json:
        from topics.codec import encode

        for story in stories:
            event = {"decision": story.decision, "calls": story.calls, "result": story.result}
            sys.stdout.write(encode(event).decode() + "\n")
        return
    from rich.console import Console

    from streams.cli.explanation import explanation

    console = Console(highlight=False)
    for index, story in enumerate(stories):
        if index:
            console.rule(style="dim")
        console.print(explanation(story, console.width))
    if not stories:
        note("no tasks to explain")
