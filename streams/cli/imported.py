"""The report of an import, laid out for a person or as JSON. Reads nothing; fits any width from 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from streams.cli.rendering import safe
from streams.config.importing.report import Outcome, path_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.config.importing import Entry, Imported

WIDE = 100
"""Columns from which a key and what became of it stand side by side."""
_KEY_SHARE = 0.46
_HEADINGS = {
    Outcome.TAKEN: ("Taken over", "green"),
    Outcome.CHANGED: ("Changed", "yellow"),
    Outcome.NONE: ("No counterpart", "red"),
}


def as_json(imported: Imported, file: str, output: str | None) -> dict[str, Any]:
    """The report for programs."""
    report, settings = imported.report, imported.settings
    return {
        "ok": True,
        "from": imported.kind.value,
        "file": file,
        "output": output,
        "models": len(settings.models),
        "rules": len(settings.policy.rules),
        "keys": {outcome.value: report.count(outcome) for outcome in Outcome},
        "entries": [{"key": e.key, "outcome": e.outcome.value, "what": e.what} for e in report.entries],
        "exports": [{"name": export.name, "what": export.what} for export in report.exports],
        "notes": list(report.notes),
    }


def laid_out(imported: Imported, file: str, output: str | None, width: int) -> Group:
    """The report for a person. Keys of the same kind of which the same is said are one row."""
    report = imported.report
    parts: list[RenderableType] = []
    for outcome, (heading, style) in _HEADINGS.items():
        count = report.count(outcome)
        if count:
            parts += [Text(f"{heading} ({_keys(count)})", style=f"bold {style}")]
            parts += [_rows(list(_grouped(report.entries, outcome)), width), Text()]
    if report.exports:
        exports = [(export.name, export.what) for export in report.exports]
        parts += [Text("Export before starting", style="bold"), _rows(exports, width), Text()]
    if report.notes:
        parts += [Text("Mind", style="bold"), _points(report.notes), Text()]
    return Group(*parts, Text(safe(_summary(imported, file, output))))


def _grouped(entries: tuple[Entry, ...], outcome: Outcome) -> Iterator[tuple[str, str]]:
    rows: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        if entry.outcome is outcome:
            kind = (path_text(entry.said_of, index=False), entry.what)
            rows.setdefault(kind, []).append(path_text(entry.said_of))
    for (path, what), places in rows.items():
        shown = places[0] if len(set(places)) == 1 else path
        yield (f"{shown} ({_keys(len(places))})" if len(places) > 1 else shown), what


def _rows(rows: list[tuple[str, str]], width: int) -> RenderableType:
    if width < WIDE:
        stacked: list[RenderableType] = []
        for key, what in rows:
            stacked += [
                Padding(Text(safe(key), style="cyan", overflow="fold"), (0, 0, 0, 2)),
                Padding(Text(safe(what)), (0, 0, 0, 6)),
            ]
        return Group(*stacked)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="cyan", overflow="fold", max_width=int(width * _KEY_SHARE))
    table.add_column(overflow="fold")
    for key, what in rows:
        table.add_row(Text(safe(key)), Text(safe(what)))
    return Padding(table, (0, 0, 0, 2))


def _points(notes: tuple[str, ...]) -> RenderableType:
    points = Table.grid(padding=(0, 1, 0, 0))
    for note in notes:
        points.add_row("-", Text(safe(note)))
    return Padding(points, (0, 0, 0, 2))


def _summary(imported: Imported, file: str, output: str | None) -> str:
    report, settings = imported.report, imported.settings
    models, rules = len(settings.models), len(settings.policy.rules)
    counts = [f"{report.count(outcome)} {heading.lower()}" for outcome, (heading, _) in _HEADINGS.items()]
    written = f"{models} model{'' if models == 1 else 's'}, {rules} rule{'' if rules == 1 else 's'}"
    return f"{file} -> {output or 'standard output'}: {written}; of its keys {', '.join(counts)}"


def _keys(count: int) -> str:
    return "1 key" if count == 1 else f"{count} keys"
