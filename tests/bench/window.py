"""Wall clock and CPU of this process between two numbers of finished tasks: start-up and warm-up stay outside."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """What a number of tasks took."""

    tasks: int
    wall_s: float
    cpu_s: float
    growth: float
    """CPU of a task in the second half of the window over that in the first: 1 where nothing piles up."""


class Window:
    """Opens when `warm` tasks are finished, closes when `total` are."""

    def __init__(self, warm: int, total: int) -> None:
        self._warm, self._total = warm, total
        self._opened: tuple[int, float, float] | None = None
        self._middle: tuple[int, float] | None = None
        self.cost: Cost | None = None

    def finished(self, count: int) -> bool:
        """So many are finished by now. True when the window has closed."""
        if self._opened is None and count >= self._warm:
            self._opened = (count, time.perf_counter(), time.process_time())
        if self._opened is not None and self._middle is None and count >= (self._warm + self._total) // 2:
            self._middle = (count, time.process_time())
        if (
            self._opened is not None
            and self._middle is not None
            and self.cost is None
            and count >= self._total
        ):
            self.cost = _cost(self._opened, self._middle, count)
        return self.cost is not None


def _cost(opened: tuple[int, float, float], middle: tuple[int, float], count: int) -> Cost:
    first, wall, cpu = opened
    now, half, cpu_then = time.process_time(), *middle
    before, after = (cpu_then - cpu) / max(1, half - first), (now - cpu_then) / max(1, count - half)
    growth = after / before if before else 1.0
    return Cost(count - first, time.perf_counter() - wall, now - cpu, growth)
