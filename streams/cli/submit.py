"""`sluice submit`: send the tasks of a file, and wait for what becomes of them.

Lines go out as they stand; only a task without an id is given one, so that its result can be recognised.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import (
    BrokersOption,
    Bus,
    ConfigOption,
    FileArgument,
    JsonLinesOption,
    PrefixOption,
    fail,
    load,
    note,
    on_bus,
)

if TYPE_CHECKING:
    from streams.cli.task_files import Line
    from topics.headers import Source

PRODUCER = "sluice/cli"
SHOWN_COMPLAINTS = 20


@dataclass(frozen=True, slots=True)
class Prepared:
    """A line as it goes out."""

    line: "Line"
    task_id: str
    """Also the record's key."""
    value: bytes


def submit(
    file: FileArgument,
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    timeout_s: Annotated[
        float, typer.Option(min=0.0, help="Longest to wait: for the broker to take them, then for results.")
    ] = 120.0,
    *,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Show each result as it comes; exit code 1 if any failed.")
    ] = False,
    batch: Annotated[bool, typer.Option("--batch", help="These tasks can wait.")] = False,
    new_ids: Annotated[
        bool, typer.Option("--new-ids", help="Give every task a fresh id, so that a file can be sent again.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Send lines that are no valid tasks as well.")
    ] = False,
    as_json: JsonLinesOption = False,
) -> None:
    """Send the tasks of a file. With --wait their results come out, with --json as JSON Lines."""
    from streams.cli.task_files import complaints, read_lines_or_fail

    kafka = load(config, brokers=brokers, prefix=prefix).kafka
    lines = read_lines_or_fail(file)
    if wrong := [*complaints(lines), *([] if new_ids else repeated_ids(lines))]:
        more = [f"… and {len(wrong) - SHOWN_COMPLAINTS} more"] if len(wrong) > SHOWN_COMPLAINTS else []
        said = "\n".join([*wrong[:SHOWN_COMPLAINTS], *more])
        if not force:
            fail(
                f"{said}\nnothing was sent; correct these lines, or send them as they are with --force",
                code=2,
            )
        note(said)
    if not lines:
        note(f"no tasks in {file}")
        return
    prepared = [prepare(line, new_id=new_ids) for line in lines]
    raise typer.Exit(
        on_bus(
            kafka,
            lambda bus: _submit(bus, prepared, batch=batch, wait=wait, timeout_s=timeout_s, as_json=as_json),
        )
    )


def repeated_ids(lines: Sequence["Line"]) -> list[str]:
    """Lines whose task id an earlier line has: their tasks would be refused as duplicates."""
    first: dict[str, int] = {}
    found: list[str] = []
    for line in lines:
        task_id = getattr(line.task, "task_id", None)
        if task_id is not None and first.setdefault(task_id, line.number) != line.number:
            where = f"line {first[task_id]}"
            found.append(f"{line.file}:{line.number}: {where} has the same task_id; give every task its own")
    return found


def prepare(line: "Line", *, new_id: bool = False) -> Prepared:
    """A line with an id: its own, or a fresh one that is put in front of its other keys.

    With `new_id` the fresh one stands in for its own.
    """
    from uuid import uuid4

    import orjson

    fresh = str(uuid4())
    try:
        parsed = orjson.loads(line.value)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):  # sent by force; the id is its key alone
        return Prepared(line, fresh, line.value)
    given = parsed.get("task_id", fresh)
    if given is None or (new_id and "task_id" in parsed):
        return Prepared(line, fresh, orjson.dumps(parsed | {"task_id": fresh}))
    if "task_id" in parsed:
        return Prepared(line, given if isinstance(given, str) and given else fresh, line.value)
    inside = line.value.strip()[1:].lstrip()
    comma = b"" if inside == b"}" else b", "
    return Prepared(line, fresh, b'{"task_id": "' + fresh.encode() + b'"' + comma + inside)


async def _submit(
    bus: Bus, prepared: Sequence[Prepared], *, batch: bool, wait: bool, timeout_s: float, as_json: bool
) -> int:
    from streams.cli.awaiting import await_results
    from streams.cli.records import ends_of
    from topics.catalog import TASK_COMPLETED, TASK_FAILED, TASK_SUBMITTED, TASK_SUBMITTED_BATCH

    topic = TASK_SUBMITTED_BATCH if batch else TASK_SUBMITTED
    counts = await bus.partition_counts(topic)
    name = bus.name(topic)
    starts = await ends_of(bus, TASK_COMPLETED, TASK_FAILED) if wait else {}
    began = time.monotonic()
    sent = await _send(bus, name, counts[name], topic.name, prepared, timeout_s)
    note(f"{len(sent)} tasks sent to {name}")
    if wait:
        ids = {source: one.task_id for one, source in zip(prepared, sent, strict=True)}
        return await await_results(bus, ids, starts, began=began, timeout_s=timeout_s, as_json=as_json)
    if as_json:
        _print_receipts(prepared, sent)
    return 0


async def _send(
    bus: Bus, name: str, partitions: int, event_type: str, prepared: Sequence[Prepared], timeout_s: float
) -> "list[Source]":
    """Send all, in order; their places. Ends the command where the broker takes them not all."""
    import asyncio

    from aiokafka.errors import MessageSizeTooLargeError
    from aiokafka.partitioner import DefaultPartitioner

    from streams.bus.producer import Outgoing
    from streams.cli.sending import publisher_of
    from topics.headers import Source, event_headers

    partitioner, every = DefaultPartitioner(), list(range(partitions))
    pending = []
    sent: list[Source] = []
    try:
        async with (
            asyncio.timeout(timeout_s),
            publisher_of(bus) as publisher,
        ):
            for one in prepared:
                key = one.task_id.encode()
                headers = event_headers(
                    event_id=one.task_id, event_type=event_type, producer=PRODUCER, at=time.time()
                )
                record = Outgoing(name, partitioner(key, every, every), key, one.value, headers)
                pending.append((record, await publisher.send(record)))
            for record, future in pending:
                sent.append(Source(name, record.partition, await publisher.settle(record, future)))
    except MessageSizeTooLargeError:
        line = prepared[len(sent) if len(pending) == len(prepared) else len(pending)].line
        fail(f"{line.file}:{line.number}: larger than the broker takes; at least {len(sent)} tasks were sent")
    except TimeoutError:
        fail(
            f"the broker at {bus.kafka.brokers} took {len(sent)} of {len(prepared)} tasks in {timeout_s:g} s; "
            "the others may or may not arrive"
        )
    return sent


def _print_receipts(prepared: Sequence[Prepared], sent: "Sequence[Source]") -> None:
    import sys

    import orjson

    out = sys.stdout.buffer
    for one, source in zip(prepared, sent, strict=True):
        out.write(orjson.dumps({"task_id": one.task_id, "source": str(source)}) + b"\n")
    out.flush()
