"""What one sees while the demo runs: a table that changes on a terminal, a line every two seconds elsewhere.

All of it goes to standard error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, Self

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from streams.registry.prices import usd

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from rich.console import Console, RenderableType

    from streams.embedded.demo.ledger import Ledger

BREAKER_STYLES: Final = {"closed": "green", "half_open": "yellow", "open": "bold red"}
TIER_STYLES: Final = {"efficient": "green", "standard": "cyan", "premium": "magenta"}

_LIVE_S: Final = 0.2
_LINE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the demo has come."""

    ledger: Ledger
    total: int
    elapsed_s: float
    tiers: Mapping[str, str]
    """Tier by model."""
    breakers: Mapping[str, str] = field(default_factory=dict)
    """State by model, as the tables' snapshots tell it; a model nobody has called is missing."""


class Screen(Protocol):
    """Where progress goes."""

    every_s: float
    """How often it wants to be told."""

    def say(self, sentence: str) -> None:
        """Something is about to be done."""

    def announce(self, sentence: str) -> None:
        """Something happens that one should see."""

    def show(self, progress: Progress) -> None:
        """How far it is."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""


class LiveScreen:
    """On a terminal."""

    every_s = _LIVE_S

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, auto_refresh=False)
        self._news = Text()

    def __enter__(self) -> Self:
        """Begin."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End; the table goes."""
        self._live.stop()

    def say(self, sentence: str) -> None:
        """A dim line."""
        self._live.console.print(Text(sentence, style="dim"))

    def announce(self, sentence: str) -> None:
        """A line above the table, from now on."""
        self._news = Text(sentence, style="bold yellow")

    def show(self, progress: Progress) -> None:
        """The table."""
        parts: list[RenderableType] = [_bar(progress), _money(progress), Text(), _models(progress)]
        if self._news:
            parts[0:0] = [self._news]
        self._live.update(Padding(Group(*parts), (1, 0, 0, 0)), refresh=True)


class PlainScreen:
    """Elsewhere."""

    every_s = _LINE_S

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""

    def say(self, sentence: str) -> None:
        """A line."""
        self._print(sentence)

    def announce(self, sentence: str) -> None:
        """A line."""
        self._print(sentence)

    def show(self, progress: Progress) -> None:
        """A line."""
        ledger = progress.ledger
        parts = [f"{ledger.submitted} of {progress.total} submitted", f"{ledger.ended} done"]
        parts += [f"{ledger.failovers} failed over"] if ledger.failovers else []
        money = f"${usd(ledger.cost_nusd):.4f} against ${usd(ledger.baseline_nusd):.4f}"
        self._print(f"{progress.elapsed_s:5.1f} s  {', '.join([*parts, money])}")

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


def screen_for(console: Console, *, plain: bool = False) -> LiveScreen | PlainScreen:
    """The one that suits; `plain` asks for lines on a terminal too."""
    return LiveScreen(console) if console.is_terminal and not plain else PlainScreen(console)


def saved(ledger: Ledger) -> str:
    """How much less than the baseline."""
    if not ledger.baseline_nusd:
        return ""
    share = 1 - ledger.cost_nusd / ledger.baseline_nusd
    return f"{share:.1%} less" if share >= 0 else f"{-share:.1%} more"


def _bar(progress: Progress) -> Table:
    ledger = progress.ledger
    row = Table.grid(padding=(0, 2))
    counts = Text.assemble((f"{ledger.ended}", "bold"), f" of {progress.total} tasks")
    aside = [f"{ledger.dead_lettered} dead"] if ledger.dead_lettered else []
    aside += [f"{ledger.failed} failed"] if ledger.failed else []
    aside += [f"{ledger.failovers} failed over"] if ledger.failovers else []
    bar = ProgressBar(total=max(progress.total, 1), completed=ledger.ended, width=24)
    row.add_row(counts, bar, Text(", ".join(aside), style="dim"))
    return row


def _money(progress: Progress) -> Text:
    ledger = progress.ledger
    text = Text.assemble((f"${usd(ledger.cost_nusd):.4f}", "bold green"), " spent")
    if ledger.baseline_nusd:
        text.append(f"; {ledger.best.name} alone ${usd(ledger.baseline_nusd):.4f}")
        text.append(f"  {saved(ledger)}", style="bold green")
    return text


def _models(progress: Progress) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model", no_wrap=True)
    table.add_column("tier", no_wrap=True)
    for heading in ("calls", "failed", "answers", "USD"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("breaker", no_wrap=True)
    for name, account in progress.ledger.models.items():
        tier = progress.tiers.get(name, "")
        breaker = progress.breakers.get(name, "")
        table.add_row(
            Text(name),
            Text(tier, style=TIER_STYLES.get(tier, "")),
            str(account.calls),
            Text(str(account.failed or ""), style="red"),
            str(account.answered),
            f"{usd(account.cost_nusd):.4f}",
            Text(breaker.replace("_", " "), style=BREAKER_STYLES.get(breaker, "")),
        )
    return table
