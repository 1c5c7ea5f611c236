"""The command `sluice`: which commands there are, and how any of them ends when something goes wrong.

One module per command group. Importing this package brings typer and nothing else of weight.
"""

import os
import sys
from typing import Annotated

import typer

from streams.cli.lazy import Entry, LazyGroup

__all__ = ["app", "main"]

DEBUG_VARIABLE = "SLUICE_DEBUG"

START = "Start"
TASKS = "Tasks"
KNOW = "Look into it"
SET_UP = "Set up"


class _Commands(LazyGroup):
    entries = (
        Entry(
            "demo",
            "streams.cli.demo",
            "See it all at once: a broker, simulated providers, real tasks.",
            START,
        ),
        Entry("up", "streams.cli.up", "Run everything in one process, until stopped.", START),
        Entry("worker", "streams.cli.worker", "Run one role: a router, or the tables.", START),
        Entry("broker", "streams.cli.broker", "Run a Kafka broker on this machine.", START),
        Entry("simulate", "streams.cli.simulate", "Run the simulated providers (HTTP).", START),
        Entry("submit", "streams.cli.submit", "Send the tasks of a file, and wait for their results.", TASKS),
        Entry("results", "streams.cli.results", "Show results.", TASKS),
        Entry("dlq", "streams.cli.dlq", "Dead letters: list, show, replay.", TASKS),
        Entry("decide", "streams.cli.decide", "Decide on the tasks of a file; nothing is called.", KNOW),
        Entry("explain", "streams.cli.explain", "Tell why a task went where it went.", KNOW),
        Entry("models", "streams.cli.models", "Show the models with their prices and limits.", KNOW),
        Entry("state", "streams.cli.state", "Show what is known right now: spend, health.", KNOW),
        Entry(
            "config",
            "streams.cli.config",
            "Check sluice.yaml; print its schema; import LiteLLM or Portkey.",
            SET_UP,
        ),
        Entry("topics", "streams.cli.topics", "Create, check and list the topics.", SET_UP),
    )


app = typer.Typer(
    cls=_Commands,
    help="Sluice sends every AI task to the cheapest model that will answer it well, on Kafka.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"sluice {version('sluice')}")
        except PackageNotFoundError:
            typer.echo("sluice (from its source, not installed)")
        raise typer.Exit


@app.callback()
def _sluice(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; ends the process with 0 done, 1 failed, 2 bad usage or bad configuration."""
    try:
        app(prog_name="sluice")
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        from streams.cli.failure import sentence_of

        sentence, code = sentence_of(error)
        sys.stderr.write(f"{sentence}\n")
        sys.exit(code)
