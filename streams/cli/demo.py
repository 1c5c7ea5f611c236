"""`sluice demo`: everything in one go on this machine, with a summary at the end.

Exit code 0 when nothing was lost and something was completed, 1 otherwise, 2 for bad usage or configuration,
130 when interrupted.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Coroutine
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.options import fail, note

if TYPE_CHECKING:
    from rich.console import Console

    from streams.embedded.demo import Plan, Summary
    from streams.embedded.demo.plan import Entry
    from streams.embedded.demo.poster import Backstage

SIGNALLED = 128
"""What the number of a signal is added to, for the exit code of a command that it ended."""


class Kind(StrEnum):
    """Values of --kind."""

    AUTO = "auto"
    KAFKA = "kafka"
    TANSU = "tansu"


def demo(
    tasks: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Your tasks (JSON Lines; - is standard input), instead of the packaged ones."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="Your sluice.yaml: its models answer, at their own prices."
        ),
    ] = None,
    brokers: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Your Kafka, instead of a broker on this machine. Topics stay there afterwards.",
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the packaged tasks.")] = 300,
    kind: Annotated[
        Kind, typer.Option(help="Broker to start: Apache Kafka, Tansu (in memory), or the best there is.")
    ] = Kind.AUTO,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running at the end, until Ctrl-C.")
    ] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the sluice.yaml of the demo, and run nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object on standard output.")
    ] = False,
) -> None:
    """See it all at once: a broker, six simulated models, a router, tables, 300 real tasks and an outage."""
    from rich.console import Console

    from streams.embedded.demo import Plan, packaged_entries, packaged_text

    if print_config:
        sys.stdout.write(packaged_text())
        return
    entries = packaged_entries(count) if tasks is None else _user_entries(tasks)
    plan = Plan(entries, config=config, brokers=brokers, kind=kind.value, keep=keep)
    _warn_of_unused(plan)
    _quiet()
    raise typer.Exit(_run(plan, Console(stderr=True, highlight=False), as_json=as_json))


def _user_entries(file: Path) -> "tuple[Entry, ...]":
    from streams.cli.task_files import complaints, read_lines_or_fail
    from streams.embedded.demo import user_entries

    lines = read_lines_or_fail(file)
    if not lines:
        fail(f"no tasks in {file}; write one JSON object a line", code=2)
    if wrong := complaints(lines):
        note(f"{len(wrong)} lines are no valid tasks and will become dead letters, the first: {wrong[0]}")
    return user_entries(line.value for line in lines)


def _warn_of_unused(plan: "Plan") -> None:
    """Say what of the user's configuration a demo does not use; end the command where it has mistakes."""
    from streams.cli.options import load

    if plan.config is None:
        return
    settings = load(plan.config, require_models=True)
    if plan.brokers is None and "brokers" in settings.kafka.model_fields_set:
        note(f"not using the Kafka of {plan.config}: to run on it, add --brokers {settings.kafka.brokers}")


def _quiet() -> None:
    """The demo tells itself what is wrong; libraries would tell it in the middle of the table."""
    import logging

    from streams.observability.logs import configure_logs

    configure_logs(level="ERROR")
    if not os.environ.get("SLUICE_DEBUG"):
        for library in ("aiokafka", "asyncio"):
            logging.getLogger(library).setLevel(logging.CRITICAL + 1)


def _run(plan: "Plan", console: "Console", *, as_json: bool) -> int:
    from aiokafka.errors import KafkaConnectionError

    from streams.bus.connection import no_broker
    from streams.embedded.broker import EmbeddedBrokerError
    from streams.embedded.demo import DemoError, run_demo, screen_for
    from topics.provision import ProvisionError

    seen: list[signal.Signals] = []
    summaries: list[Summary] = []

    def show(summary: "Summary", backstage: "Backstage") -> None:
        summaries.append(summary)
        _print(summary, backstage, as_json=as_json)
        if plan.keep:
            console.print("Everything still runs. Ctrl-C stops it.", style="dim")

    try:
        asyncio.run(_until_signalled(run_demo(plan, screen_for(console, plain=as_json), show), seen))
    except asyncio.CancelledError:
        if not (plan.keep and summaries):
            console.print("Stopped.", style="dim")
            return SIGNALLED + seen[0] if seen else 1
    except (DemoError, EmbeddedBrokerError, ProvisionError) as error:
        fail(str(error))
    except KafkaConnectionError:
        fail(no_broker(plan.brokers))
    return 0 if summaries and summaries[0].ok else 1


async def _until_signalled(work: Coroutine[Any, Any, Any], seen: list[signal.Signals]) -> None:
    """Let SIGINT and SIGTERM cancel the work; a second one must not interrupt the stopping."""
    loop = asyncio.get_running_loop()
    doing = asyncio.ensure_future(work)

    def on_signal(number: signal.Signals) -> None:
        if not seen:
            doing.cancel()
        seen.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    await doing


def _print(summary: "Summary", backstage: "Backstage", *, as_json: bool) -> None:
    from rich.console import Console

    from streams.embedded.demo.poster import print_poster

    if as_json:
        sys.stdout.write(json.dumps(summary.as_json()) + "\n")
        sys.stdout.flush()
    else:
        print_poster(Console(highlight=False), summary, backstage)
