"""`sluice results`: the results there are, and with --follow those that come. Reads without a group."""

import sys
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.options import (
    BrokersOption,
    Bus,
    ConfigOption,
    JsonLinesOption,
    PrefixOption,
    load,
    note,
    on_bus,
)

if TYPE_CHECKING:
    from rich.console import Console


def results(
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    task: Annotated[
        str | None, typer.Option(help="Only results of the task with this id; exit code 1 if there is none.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="At most so many: the newest, with --from-beginning the oldest, with --follow the next to come.",
        ),
    ] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for results that come, until Ctrl-C or --limit.")
    ] = False,
    from_beginning: Annotated[
        bool,
        typer.Option(
            "--from-beginning", help="With --follow: first those that are there. --task implies it."
        ),
    ] = False,
    as_json: JsonLinesOption = False,
) -> None:
    """Show results: all there are, or with --follow those that come."""
    from rich.console import Console

    kafka = load(config, brokers=brokers, prefix=prefix).kafka
    shown = _Shown(task, limit, None if as_json else Console(highlight=False))

    async def work(bus: Bus) -> None:
        if follow:
            await _follow(bus, shown, from_beginning=from_beginning or task is not None)
        elif limit is not None and task is None and not from_beginning:
            await _newest(bus, shown, limit)
        else:
            await _all(bus, shown)

    on_bus(kafka, work)
    if task is not None and not shown.count:
        note(f"no result of task {task}; `sluice explain {task}` tells how far it came")
        raise typer.Exit(1)


@dataclass(slots=True)
class _Shown:
    """Prints the results that are wanted, and counts them."""

    task: str | None
    limit: int | None
    console: "Console | None"
    """None: JSON Lines."""
    count: int = field(default=0)

    def take(self, record: Any) -> bool:  # noqa: ANN401 - aiokafka
        """Print it if it is wanted; False when no more are."""
        import orjson

        from streams.cli.rendering import result_block
        from topics import codec
        from topics.events import TaskCompleted

        if self.task is not None and record.key != self.task.encode():
            return True
        result = codec.decode(record.value, TaskCompleted)
        if isinstance(result, codec.Rejection):
            note(f"{record.topic}:{record.partition}:{record.offset} is no result: {result.message}")
            return True
        if self.console is None:
            sys.stdout.write(orjson.dumps(orjson.loads(record.value)).decode() + "\n")
        else:
            self.console.print(result_block(result, self.console.width), markup=False, soft_wrap=True)
        self.count += 1
        return self.limit is None or self.count < self.limit


async def _all(bus: Bus, shown: _Shown) -> None:
    from streams.cli.records import scan
    from topics.catalog import TASK_COMPLETED

    async with aclosing(scan(bus, TASK_COMPLETED)) as records:  # type: ignore[type-var]  # a generator
        async for record in records:
            if not shown.take(record):
                return


async def _newest(bus: Bus, shown: _Shown, count: int) -> None:
    from streams.cli.records import newest
    from topics.catalog import TASK_COMPLETED

    for record in await newest(bus, TASK_COMPLETED, count):
        shown.take(record)


async def _follow(bus: Bus, shown: _Shown, *, from_beginning: bool) -> None:
    from streams.cli.records import ends_of, follow, starts_of
    from topics.catalog import TASK_COMPLETED

    starts = await (starts_of if from_beginning else ends_of)(bus, TASK_COMPLETED)
    note(f"following {bus.name(TASK_COMPLETED)}; Ctrl-C ends it")
    async with aclosing(follow(bus, starts)) as batches:  # type: ignore[type-var]  # a generator
        async for records in batches:
            for record in records:
                if not shown.take(record):
                    return
            sys.stdout.flush()
