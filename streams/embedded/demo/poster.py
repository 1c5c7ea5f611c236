"""The summary that one looks at when the demo is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams.embedded.demo.screen import TIER_STYLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console, RenderableType

    from streams.embedded.demo.ledger import Ledger
    from streams.embedded.demo.summary import Summary

WIDEST: Final = 100
_NARROW: Final = 90
_NUMBER: Final = 8
_MUCH_USD: Final = 0.1
_CENTS: Final = 2
_SMALL: Final = 4


@dataclass(frozen=True, slots=True)
class Backstage:
    """What the summary tells beside the numbers."""

    ledger: Ledger
    tiers: Mapping[str, str]
    """Tier by model."""
    broker: str
    """In a sentence."""
    providers: str
    """Likewise."""
    outage: str | None
    """Which model was made to fail, and how; None: none was."""
    commands: Sequence[tuple[str, str]]
    """How to look further: command, and what it shows."""


def print_poster(console: Console, summary: Summary, backstage: Backstage) -> None:
    """Print it, as wide as the console is, up to 100 columns."""
    width = min(console.width, WIDEST)
    style = "green" if summary.ok else "red"
    body = _Body(summary, backstage, bar=20 if width < _NARROW else 36, ascii_only=console.options.ascii_only)
    panel = Panel(
        body.render(),
        title="[bold]Sluice demo[/]",
        title_align="left",
        border_style=style,
        width=width,
        padding=(1, 1),
    )
    console.print(panel)
    _print_further(console, backstage.commands, width)


class _Body:
    def __init__(self, summary: Summary, backstage: Backstage, *, bar: int, ascii_only: bool) -> None:
        self._summary = summary
        self._backstage = backstage
        self._bar = bar
        self._block = "#" if ascii_only else "█"

    def render(self) -> RenderableType:
        """Labels on the left, what they stand for on the right."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(ratio=1)
        rows = [
            ("Tasks", self._tasks()),
            ("Cost", self._cost()),
            ("Latency", self._latency()),
            ("Tiers", self._tiers()),
            ("Failovers", self._failovers()),
            ("Ran on", Text(f"{self._backstage.broker}; {self._backstage.providers}")),
        ]
        for index, (label, content) in enumerate(rows):
            grid.add_row(label, content if index == len(rows) - 1 else Padding(content, (0, 0, 1, 0)))
        return grid

    def _tasks(self) -> RenderableType:
        s = self._summary
        ends = [f"{s.completed:,} completed"]
        ends += [f"{s.failed:,} failed"] if s.failed else []
        ends += [f"{s.dead_lettered:,} dead {_plural('letter', s.dead_lettered)}"] if s.dead_lettered else []
        first = Text.assemble((f"{s.tasks:,}", "bold"), f" in {s.duration_s:.1f} s: {', '.join(ends)}")
        lost = "none lost" if not s.lost else f"{s.lost:,} lost"
        twice = "none answered twice" if not s.duplicates else f"{s.duplicates:,} answered twice"
        style = "green" if not s.lost and not s.duplicates else "bold red"
        return Group(first, Text(f"{lost}, {twice}", style=style))

    def _cost(self) -> RenderableType:
        s, best = self._summary, self._backstage.ledger.best
        most = max(s.cost_usd, s.baseline_cost_usd) or 1.0
        digits = _CENTS if min(s.cost_usd, s.baseline_cost_usd) >= _MUCH_USD else _SMALL
        grid = self._grid()
        grid.add_row(
            Text(f"${s.cost_usd:,.{digits}f}", style="bold green"),
            self._drawn(s.cost_usd / most, "green"),
            "what it cost",
        )
        grid.add_row(
            Text(f"${s.baseline_cost_usd:,.{digits}f}"),
            self._drawn(s.baseline_cost_usd / most, "red"),
            f"{best.name} for every task",
        )
        prices = best.prices
        how = (
            f": the same answers at ${prices.input_usd_per_mtok:g} and"
            f" ${prices.output_usd_per_mtok:g} per million tokens"
        )
        share = f"{s.saving:.1%} less" if s.saving >= 0 else f"{-s.saving:.1%} more"
        return Group(
            grid, Text.assemble((share, "bold green" if s.saving >= 0 else "bold red"), (how, "dim"))
        )

    def _latency(self) -> RenderableType:
        parts: list[tuple[str, str] | str] = []
        for name, value in self._summary.latency_ms.items():
            parts += [(f"{name} ", "dim"), "-   " if value is None else f"{value:,.0f} ms   "]
        return Text.assemble(*parts, ("from record to result", "dim"))

    def _tiers(self) -> RenderableType:
        rows: list[RenderableType] = []
        accounts = self._backstage.ledger.models
        for tier, share in self._summary.tiers.items():
            models = sorted(
                (
                    name
                    for name, one in accounts.items()
                    if one.answered and self._backstage.tiers.get(name) == tier
                ),
                key=lambda name: -accounts[name].answered,
            )
            told = ", ".join(f"{name} {accounts[name].answered}" for name in models)
            style = TIER_STYLES.get(tier, "")
            grid = self._grid()
            grid.add_row(Text(f"{share:.1%}"), self._drawn(share, style), Text(tier, style=style))
            rows += [grid, *([Padding(Text(told, style="dim"), (0, 0, 0, _NUMBER + 2))] if told else [])]
        return Group(*rows)

    def _failovers(self) -> RenderableType:
        ledger, outage = self._backstage.ledger, self._backstage.outage
        count = f"{ledger.failovers or 'No'} {_plural('task', ledger.failovers)}"
        lines = [Text(outage)] if outage else []
        lines.append(Text(f"{count} answered by another model after the first failed"))
        if ledger.avoided:
            lines.append(Text(f"{ledger.avoided} more sent elsewhere at once while its breaker was open"))
        return Group(*lines)

    def _grid(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(justify="right", width=_NUMBER, no_wrap=True)
        grid.add_column(width=self._bar, no_wrap=True)
        grid.add_column(ratio=1)
        return grid

    def _drawn(self, share: float, style: str) -> Text:
        filled = round(share * self._bar)
        return Text(self._block * (max(filled, 1) if share > 0 else 0), style=style)


def _print_further(console: Console, commands: Sequence[tuple[str, str]], width: int) -> None:
    """Beside each what it shows, where there is room; a command is never cut, so that it can be copied."""
    console.print(Text("Look further", style="bold"))
    longest = max(len(command) for command, _ in commands)
    described = longest + max(len(what) for _, what in commands) + len("    ") <= width
    for command, what in commands:
        line = Text.assemble("  ", (command.ljust(longest) if described else command, "cyan"))
        console.print(line.append(f"  {what}", style="dim") if described else line, soft_wrap=True)


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
