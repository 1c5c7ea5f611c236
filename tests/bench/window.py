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


class Window:
    """Opens when `warm` tasks are finished, closes when `total` are."""

    def __init__(self, warm: int, total: int) -> None:
        self._warm, self._total = warm, total
        self._opened: tuple[int, float, float] | None = None
        self.cost: Cost | None = None

    def finished(self, count: int) -> bool:
        """So many are finished by now. True when the window has closed."""
        if self._opened is None and count >= self._warm:
            self._opened = (count, time.perf_counter(), time.process_time())
        if self._opened is not None and self.cost is None and count >= self._total:
            first, wall, cpu = self._opened
            self.cost = Cost(count - first, time.perf_counter() - wall, time.process_time() - cpu)
        return self.cost is not None
