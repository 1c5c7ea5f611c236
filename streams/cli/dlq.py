"""`sluice dlq`: dead letters: list them, look at one, send them again.

A dead letter is named by its own position, `partition:offset`, or by the record it was, `topic:partition:offset`.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.options import (
    BrokersOption,
    Bus,
    ConfigOption,
    JsonLinesOption,
    JsonOption,
    PrefixOption,
    fail,
    load,
    note,
    on_bus,
)

if TYPE_CHECKING:
    from streams.cli.dead_letters import DeadLetter

SHOWN_BYTES = 4_096
MESSAGE_WIDTH = 60
REPLAY_TIMEOUT_S = 60.0

app = typer.Typer(help="Dead letters: list, show, replay.", no_args_is_help=True)

WHICH = "`partition:offset` of the dead letter, or `topic:partition:offset` of the record it was."


@app.command(name="list")
def list_(
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the newest so many.")] = None,
    *,
    as_json: JsonLinesOption = False,
) -> None:
    """List dead letters, oldest first."""
    from streams.cli.dead_letters import all_of

    kafka = load(config, brokers=brokers, prefix=prefix).kafka
    letters = on_bus(kafka, lambda bus: all_of(bus, limit))
    if as_json:
        for letter in letters:
            _print_json(letter.summary())
    elif not letters:
        note("no dead letters")
    else:
        _print_table(letters)


@app.command()
def show(
    which: Annotated[str, typer.Argument(metavar="WHICH", help=WHICH)],
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    max_bytes: Annotated[int, typer.Option(min=1, help="Show at most so much of the value.")] = SHOWN_BYTES,
    *,
    raw: Annotated[bool, typer.Option("--raw", help="Only the original value, byte for byte.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter: why it is one, its headers and its original bytes."""
    from streams.cli.dead_letters import find

    _must_name(which)
    kafka = load(config, brokers=brokers, prefix=prefix).kafka
    letter = on_bus(kafka, lambda bus: find(bus, which))
    if letter is None:
        fail(f"no dead letter {which}; `sluice dlq list` shows what is there")
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
        sys.stdout.buffer.flush()
    elif as_json:
        _print_json(letter.everything())
    else:
        _print_letter(letter, max_bytes)


@app.command()
def replay(
    which: Annotated[list[str] | None, typer.Argument(metavar="[WHICH]...", help=WHICH)] = None,
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    as_json: JsonLinesOption = False,
) -> None:
    """Send dead letters again: original key, value and headers, to the topic and partition they came from.

    Nothing is removed from the dead letters, so replaying twice sends twice.
    """
    if bool(which) == every:
        fail("say which dead letters to send again, or --all for all of them", code=2)
    for one in which or ():
        _must_name(one)
    kafka = load(config, brokers=brokers, prefix=prefix).kafka
    code = on_bus(kafka, lambda bus: _replay(bus, which or (), dry_run=dry_run, as_json=as_json))
    raise typer.Exit(code)


def _must_name(which: str) -> None:
    from streams.cli.dead_letters import names_one

    if not names_one(which):
        fail(f"{which} names no dead letter; give {WHICH}", code=2)


async def _replay(bus: Bus, which: Sequence[str], *, dry_run: bool, as_json: bool) -> int:
    from streams.cli.dead_letters import all_of, find, resend

    letters: list[DeadLetter] = []
    problems = 0
    for name in which:
        letter = await find(bus, name)
        if letter is None:
            note(f"no dead letter {name}; `sluice dlq list` shows what is there")
            problems += 1
        else:
            letters.append(letter)
    if not which:
        letters = await all_of(bus, None)
    latest = {str(letter.source or letter.position): letter for letter in letters}
    if twice := len(letters) - len(latest):
        note(f"{twice} dead letters are of a record that has another; each record is sent once")
    sent = 0
    async for outcome in resend(bus, list(latest.values()), dry_run=dry_run):
        if outcome.problem is None:
            sent += 1
        else:
            problems += 1
            note(f"{outcome.letter.position}: {outcome.problem}")
        if as_json:
            _print_json(outcome.summary())
        elif outcome.problem is None:
            typer.echo(str(outcome))
    note(f"{sent} {'would be sent' if dry_run else 'sent'} again" + (f", {problems} not" if problems else ""))
    return 1 if problems else 0


def _print_json(value: object) -> None:
    import orjson

    sys.stdout.write(orjson.dumps(value).decode() + "\n")


def _print_table(letters: "Sequence[DeadLetter]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from streams.cli.rendering import as_text, instant, safe, wide

    def cell(text: str) -> Text:
        return Text(safe(text).replace("\n", " "))

    console = wide(Console(highlight=False))
    table = Table(box=None, pad_edge=False)
    table.add_column("position", no_wrap=True)
    table.add_column("when", no_wrap=console.width >= 100)  # noqa: PLR2004 - a usual width
    table.add_column("key", overflow="ellipsis", no_wrap=True, max_width=20)
    table.add_column("came from", overflow="fold")
    table.add_column("why", overflow="fold")
    for letter in letters:
        key = "(none)" if letter.key is None else as_text(letter.key) or letter.key.hex()
        came_from = "unknown" if letter.source is None else str(letter.source)
        table.add_row(
            letter.position,
            instant(letter.at).removesuffix(" UTC"),
            cell(key),
            cell(came_from),
            cell(f"{letter.error}: {letter.message}"),
        )
    console.print(table)


def _print_letter(letter: "DeadLetter", max_bytes: int) -> None:
    from rich.console import Console

    from streams.cli.rendering import as_text, hex_dump, instant, safe

    def text_of(value: bytes | None) -> str:
        if value is None:
            return "(none)"
        text = as_text(value)
        return f"0x{value.hex()}" if text is None else safe(text)

    lines = [
        f"position   {letter.position}",
        f"came from  {safe(str(letter.source or 'unknown'))}",
        f"when       {instant(letter.at)}",
        f"why        {safe(letter.error)}: {safe(letter.message)}",
        f"stage      {safe(letter.stage)}",
        f"key        {text_of(letter.key)}",
    ]
    lines += [f"header     {safe(name)}: {text_of(value)}" for name, value in letter.original_headers]
    console = Console(highlight=False)
    console.print("\n".join(lines), markup=False, soft_wrap=True)
    if letter.value is None:
        console.print("value      (none)")
        return
    size = len(letter.value)
    cut = f", the first {max_bytes:,}" if size > max_bytes else ""
    part: Any = letter.value[:max_bytes]
    text = as_text(letter.value)
    console.print(
        f"value      {size:,} bytes{cut}" + ("" if text is not None else ", not UTF-8"), markup=False
    )
    shown = hex_dump(part) if text is None else safe(part.decode(errors="ignore"))
    console.print(f"\n{shown}", markup=False, soft_wrap=True)
