"""What a scenario is: a function from the conditions of a run to rows of figures. Knows nothing of what is measured."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class SkippedError(Exception):
    """The scenario cannot be measured here; the message says what it needs."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a run is given."""

    bootstrap: str | None = None
    """The broker; None where no scenario of the run needs one."""
    idempotent: bool = True
    repeats: int = 3
    scale: float = 1.0
    """Multiplies the number of tasks; below 1 for a quick look."""
    tables: Path | None = None
    """Folder of outcome tables with counted tokens."""

    def scaled(self, count: int, *, least: int = 200) -> int:
        """So many, at this run's scale."""
        return max(least, round(count * self.scale))


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: the median of its repetitions, and how far they lay apart."""

    scenario: str
    what: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    ratio: float | None = None
    """To the baseline, median of the ratios within each repetition."""
    baseline: str | None = None


class Scenario(Protocol):
    """Measures something."""

    async def __call__(self, conditions: Conditions) -> list[Row]:
        """Measure; SkippedError where it cannot be done here."""


def row(
    scenario: str,
    what: str,
    values: Sequence[float],
    unit: str,
    *,
    against: tuple[str, Sequence[float]] | None = None,
) -> Row:
    """A row from repetitions; `against` names the baseline and its values in the same repetitions."""
    ratio = None
    if against is not None:
        ratio = statistics.median(one / other for one, other in zip(values, against[1], strict=True) if other)
    return Row(
        scenario,
        what,
        statistics.median(values),
        unit,
        min(values) if len(values) > 1 else None,
        max(values) if len(values) > 1 else None,
        ratio,
        None if against is None else against[0],
    )


def quantile(values: Sequence[float], q: float) -> float:
    """The nearest-rank quantile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
