"""What the router knows of the world: the merged view with its own calls on top, taken a few times a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.decide import BreakerState
from topics.events import CallStatus

if TYPE_CHECKING:
    from streams.decide import World
    from streams.state.overlay import Recorded
    from streams.state.view import StateView
    from topics.events import CallCompleted

FRESH_S = 0.05
"""How long a `World` is used: shorter than the snapshots' interval, longer than a batch."""
FRESH_AFTER_FAILURE_S = 0.005
"""The same after a call of ours failed: a breaker opens at once, and a storm of failures costs little."""


class Knowledge:
    """The state, as deciding and calling ask for it."""

    def __init__(self, view: StateView) -> None:
        self._view = view
        self._world: World | None = None
        self._taken_at = 0.0
        self._fresh_s = FRESH_S
        self._open: frozenset[str] = frozenset()

    def world(self, now: float) -> World:
        """What is known right now; the same object for a moment."""
        if self._world is None or not 0 <= now - self._taken_at < self._fresh_s:
            self._fresh_s = FRESH_S
            self._world = self._view.world(now)
            self._taken_at = now
            self._open = frozenset(
                name for name, health in self._world.health.items() if health.breaker is BreakerState.OPEN
            )
        return self._world

    def open_breakers(self, now: float) -> frozenset[str]:
        """Models that must not be called now."""
        self.world(now)
        return self._open

    def record(self, call: CallCompleted) -> Recorded:
        """A call of ours ended: known at once."""
        if call.status is not CallStatus.OK:
            self._fresh_s = FRESH_AFTER_FAILURE_S
        return self._view.overlay.record(call)

    def written(self, recorded: Recorded, partition: int, offset: int) -> None:
        """Its event is durable there; when the tables cover it, it is theirs."""
        self._view.overlay.written(recorded, partition, offset)

    def age_s(self, now: float) -> float | None:
        """Age of the merged view."""
        return self._view.age_s(now)
