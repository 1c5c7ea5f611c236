"""`sluice broker`: the embedded broker alone, until it is stopped.

Exit code 0 when stopped by SIGINT or SIGTERM, 1 when no broker could be started or when it died.
"""

import asyncio
import json
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from streams.embedded.broker import EmbeddedBroker


class Kind(StrEnum):
    """Values of --kind."""

    AUTO = "auto"
    KAFKA = "kafka"
    TANSU = "tansu"


def broker(
    kind: Annotated[
        Kind, typer.Option(help="Apache Kafka on the local JVM, Tansu (in memory), or the best there is.")
    ] = Kind.AUTO,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where clients connect; 0 for any free port.")
    ] = 9092,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder to keep the data in, and to go on with. Without it the data goes at the end."
        ),
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output once it serves.")
    ] = False,
) -> None:
    """Run a Kafka broker on this machine until stopped (Ctrl-C)."""
    from rich.console import Console

    from streams.embedded.broker import EmbeddedBroker, EmbeddedBrokerError

    console = Console(stderr=True, highlight=False)
    embedded = EmbeddedBroker(
        kind.value,
        port=port,
        data_dir=data_dir,
        progress=lambda sentence: console.print(sentence, style="dim", markup=False),
    )
    try:
        code = asyncio.run(_serve(embedded, console, as_json=as_json))
    except EmbeddedBrokerError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        code = 1
    raise typer.Exit(code)


async def _serve(embedded: "EmbeddedBroker", console: "Console", *, as_json: bool) -> int:
    _cancel_once_on_signals()
    try:
        async with embedded:
            _announce(embedded, console, as_json=as_json)
            code = await embedded.exited()
            console.print(
                f"The broker ended by itself, with exit code {code}. The end of its output:\n"
                f"{embedded.output_tail() or '(it wrote nothing)'}",
                style="red",
                markup=False,
                soft_wrap=True,
            )
            return 1
    except asyncio.CancelledError:  # a signal, also while it was starting
        console.print("Stopped.", style="dim")
        return 0


def _cancel_once_on_signals() -> None:
    """Let SIGINT and SIGTERM cancel the current task; a second one must not interrupt the stopping."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    seen: list[signal.Signals] = []

    def on_signal(number: signal.Signals) -> None:
        if not seen and task is not None:
            task.cancel()
        seen.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)


def _announce(embedded: "EmbeddedBroker", console: "Console", *, as_json: bool) -> None:
    if as_json:
        facts = {
            "bootstrap": embedded.bootstrap,
            "kind": embedded.kind,
            "pid": embedded.pid,
            "durable": embedded.durable,
            "idempotent": embedded.idempotent,
            "data_dir": str(embedded.data_dir) if embedded.data_dir else None,
            "description": embedded.describe(),
        }
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
    console.print(embedded.describe(), markup=False, soft_wrap=True)
    console.print(f"Connect with bootstrap servers {embedded.bootstrap}. Ctrl-C stops it.", markup=False)
