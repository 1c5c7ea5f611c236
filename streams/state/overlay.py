"""What this router knows at once of its own calls, until the tables say the same.

A call counts here from the moment it ends. When the view has a partial that covers the offset of its
`call.completed`, it is dropped, so that it counts once. It knows nothing of Kafka: the router tells it where
the event lies, the view what is covered.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streams.state.breaker import LocalOutcome
from streams.state.windows import HEALTH_WINDOW_S, outcome_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from topics.events import CallCompleted

MAX_PER_MODEL: Final = 500
"""Oldest outcomes are forgotten beyond this: by then the tables have been silent for long."""


@dataclass(slots=True, eq=False)
class Recorded:
    """A call in the overlay. The router keeps it to say where the event was written."""

    model: str
    outcome: LocalOutcome
    partition: int | None = None
    offset: int | None = None


class Overlay:
    """Outcomes of this router's calls that the tables have not covered yet, by model."""

    def __init__(self) -> None:
        self._recorded: dict[str, deque[Recorded]] = {}
        self._covered: dict[tuple[str, int], int] = {}

    def record(self, call: CallCompleted) -> Recorded:
        """Take in a call that has just ended."""
        retry_after_s = None if call.rate_limits is None else call.rate_limits.retry_after_s
        at = call.started_at + call.latency_s
        recorded = Recorded(call.model, LocalOutcome(at, outcome_of(call.status), retry_after_s))
        self._recorded.setdefault(call.model, deque(maxlen=MAX_PER_MODEL)).append(recorded)
        return recorded

    def written(self, recorded: Recorded, partition: int, offset: int) -> None:
        """Its `call.completed` lies there now, acknowledged."""
        recorded.partition, recorded.offset = partition, offset
        covered = self._covered.get((recorded.model, partition))
        if covered is not None and offset <= covered:
            self._drop(recorded.model)

    def covered(self, model: str, partition: int, offset: int) -> None:
        """The view has this model's health of that partition up to this offset."""
        self._covered[model, partition] = offset
        if model in self._recorded:
            self._drop(model)

    def outcomes(self, model: str, now: float) -> tuple[LocalOutcome, ...]:
        """What the view does not know of this model, from the last five minutes."""
        recorded = self._recorded.get(model)
        if recorded is None:
            return ()
        while recorded and recorded[0].outcome.at < now - HEALTH_WINDOW_S:
            recorded.popleft()
        if not recorded:
            del self._recorded[model]
        return tuple(one.outcome for one in recorded)

    def models(self) -> Iterable[str]:
        """Models with outcomes of which the view does not know."""
        return tuple(self._recorded)

    def _drop(self, model: str) -> None:
        left = deque(
            (one for one in self._recorded.get(model, ()) if not self._is_covered(one)), maxlen=MAX_PER_MODEL
        )
        if left:
            self._recorded[model] = left
        else:
            self._recorded.pop(model, None)

    def _is_covered(self, one: Recorded) -> bool:
        if one.partition is None or one.offset is None:
            return False
        return one.offset <= self._covered.get((one.model, one.partition), -1)
