"""`sluice decide`: decisions for the tasks of a file. No Kafka, no secrets, nothing is called."""

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import ConfigOption, FileArgument, fail, load, note

if TYPE_CHECKING:
    from streams.config.settings import Settings

NowOption = Annotated[
    str | None,
    typer.Option(
        help="Time of the decision: seconds since the epoch, or RFC 3339 like 2025-06-01T12:00:00Z. Without it 0, "
        "so that the same file always gives the same decisions and no deadline has passed."
    ),
]
SeedOption = Annotated[int | None, typer.Option(help="Seed of all chance, instead of policy.seed.")]


def decide(
    file: FileArgument,
    config: ConfigOption = None,
    now: NowOption = None,
    seed: SeedOption = None,
    *,
    as_json: Annotated[  # noqa: ARG001 - every command that prints data takes it
        bool, typer.Option("--json", help="JSON Lines; the only format, and the default.")
    ] = True,
) -> None:
    """Decide on the tasks of a file and print the decision records, as JSON Lines.

    The same file, configuration, time and seed give the same bytes. `sluice explain FILE` shows them readably.
    """
    from streams.cli.deciding import decisions_of
    from streams.cli.task_files import complaints, read_lines_or_fail
    from streams.registry import UnpricedModelError
    from topics.codec import encode

    at = moment(now)
    settings = settings_for_files(config)
    lines = read_lines_or_fail(file)
    out = sys.stdout.buffer
    try:
        for _, decision in decisions_of(lines, settings, now=at, seed=seed):
            out.write(encode(decision) + b"\n")
    except UnpricedModelError as error:
        fail(str(error), code=2)
    out.flush()
    if wrong := complaints(lines):
        fail("\n".join(wrong))


def moment(text: str | None) -> float:
    """A time given on the command line, in seconds since the epoch. Ends the command where it is none."""
    if text is None:
        return 0.0
    try:
        return float(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        fail(
            f"--now {text}: give seconds since the epoch, or a time with its zone like 2025-06-01T12:00:00Z",
            code=2,
        )
    return at.timestamp()


def settings_for_files(config: Path | None) -> "Settings":
    """The settings; where there is no configuration at all, the example that comes with the package."""

    def example() -> Path:
        from streams.config.example import example_path

        path = example_path()
        note(f"no sluice.yaml here: deciding with the example {path}")
        return path

    return load(config, require_models=True, otherwise=example)
