"""Whether and when to repeat a call that failed, and how much repeating is affordable.

Pure: time and chance are arguments. Which step comes when a call is not repeated is the router's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.call.exchange import CallOutcome
    from streams.config.settings import Retry

_MOST_DOUBLINGS = 30


def pause_s(retry: Retry, attempt: int, outcome: CallOutcome, random: float) -> float | None:
    """Seconds to wait before the same step is tried again; None: do not, move on.

    Exponential with full jitter. Retry-After is the least that is waited, with the jitter on top so that
    those who were turned away together do not come back together; never more than `retry.max_s`.

    Args:
        retry: settings.
        attempt: the attempt that failed, from 0.
        outcome: how it failed.
        random: uniform in [0, 1).
    """
    if not outcome.retryable or attempt + 1 >= retry.max_attempts:
        return None
    least = outcome.retry_after_s or 0.0
    if least > retry.max_s:
        return None
    jittered = random * min(retry.max_s, retry.base_s * 2.0 ** min(attempt, _MOST_DOUBLINGS))
    return min(retry.max_s, least + jittered)


@dataclass(slots=True)
class RetryBudget:
    """A token bucket that keeps retries to a share of the calls, so that an outage is not amplified.

    Every first attempt puts in one, every retry takes `calls_per_retry` out. A trickle by time lets a router
    with little traffic retry as well. Over any span of time, retries are at most
    `burst + calls / calls_per_retry + floor_per_s * span`.
    """

    calls_per_retry: int = 10
    """Ten: at most a tenth more calls."""
    floor_per_s: float = 0.2
    """Retries a second that are always affordable."""
    burst: int = 10
    """Most retries that can be saved up; there from the start."""
    _balance: float = field(init=False)
    """In calls."""
    _at: float | None = field(init=False, default=None)
    """Up to when the trickle is counted."""

    def __post_init__(self) -> None:
        self._balance = float(self.burst * self.calls_per_retry)

    def called(self) -> None:
        """A first attempt was made."""
        self._balance = min(self._balance + 1.0, float(self.burst * self.calls_per_retry))

    def take(self, now: float) -> bool:
        """Pay for one retry; False: it is not affordable, move on.

        Args:
            now: seconds on a clock that does not go back.
        """
        elapsed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at = now if self._at is None else max(self._at, now)
        full = float(self.burst * self.calls_per_retry)
        self._balance = min(full, self._balance + elapsed * self.floor_per_s * self.calls_per_retry)
        if self._balance < self.calls_per_retry:
            return False
        self._balance -= self.calls_per_retry
        return True
