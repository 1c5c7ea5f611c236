"""The circuit breaker of a model, computed from what is known of its calls.

Pure: every router that sees the same calls comes to the same state, and a restart forgets nothing.

    CLOSED ──(5 failures and half of the calls in 30 s)──▶ OPEN
    OPEN ──(back-off over)──▶ HALF_OPEN
    HALF_OPEN ──(a failure)──▶ OPEN, back-off doubled
    HALF_OPEN ──(2 successes after the last failure)──▶ CLOSED

The state is found by replaying the health buckets in order. What that implies:

- A throttled call counts as half a call that failed, on both sides of the share: the model works, but is
  busy. A rejected request says nothing about the model and counts nowhere.
- Time has the resolution of a bucket (10 s), except for the latest failure, whose time is known.
- Failures during the back-off are calls that had begun before; they neither lengthen it nor count as a trip.
- The back-off is 10 s, doubled with every trip that follows another within ten minutes, up to 120 s. A
  Retry-After that is known makes it longer.
- Buckets are kept by number, not by age: in an outage only probes make buckets, so its history reaches back
  much further than the five minutes of a busy model, and the breaker does not forget that it is open.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streams.decide.world import BreakerState
from streams.state.merge import latest, merge_buckets
from streams.state.windows import BUCKET_S, Outcome, bucket_start
from topics.events import HealthBucket

if TYPE_CHECKING:
    from collections.abc import Sequence

TRIP_WINDOW_BUCKETS: Final = 3
MIN_FAILURES: Final = 5.0
MIN_SHARE: Final = 0.5
THROTTLED_WEIGHT: Final = 0.5
FIRST_BACKOFF_S: Final = 10.0
MAX_BACKOFF_S: Final = 120.0
MAX_RETRY_AFTER_S: Final = 600.0
"""A provider that asks for longer is tried again after this."""
FORGET_TRIPS_AFTER_S: Final = 600.0
CLOSING_SUCCESSES: Final = 2

_FAILURES: Final = frozenset({Outcome.FAILED, Outcome.THROTTLED})


@dataclass(frozen=True, slots=True)
class LocalOutcome:
    """A call of this router that the tables have not covered yet."""

    at: float
    """When it ended, in seconds since the epoch."""
    outcome: Outcome
    retry_after_s: float | None = None


@dataclass(slots=True)
class _Replay:
    """The breaker while its history is read."""

    tripped: bool = False
    trips: int = 0
    """Trips in a row, which set the back-off."""
    opened_at: float = 0.0
    open_until: float = 0.0
    successes: int = 0
    """Since the last failure, in half-open."""
    counts_from: int = 0
    """Buckets before this start belong to an outage that is over."""


def breaker_state(
    buckets: Sequence[HealthBucket],
    last_failed_at: float | None,
    local: Sequence[LocalOutcome],
    now: float,
) -> BreakerState:
    """The state of a model's breaker at `now`.

    Args:
        buckets: merged over all partitions, in order of start.
        last_failed_at: latest failure or throttling that they cover, in seconds since the epoch.
        local: this router's calls that they do not cover.
        now: seconds since the epoch.
    """
    if local:
        buckets = merge_buckets(tuple(buckets), _as_buckets(local), len(buckets) + len(local))
        for one in local:
            if one.outcome in _FAILURES:
                last_failed_at = latest(last_failed_at, one.at)
    replay = _Replay()
    for index, bucket in enumerate(buckets):
        failed_at = _failure_time(bucket, last_failed_at)
        if replay.tripped:
            _continue(replay, bucket, failed_at)
        elif _trips(buckets, index, replay.counts_from):
            _trip(replay, failed_at)
    if not replay.tripped:
        return BreakerState.CLOSED
    until = max(replay.open_until, _asked_to_wait_until(local, replay.opened_at))
    return BreakerState.OPEN if now < until else BreakerState.HALF_OPEN


def _continue(replay: _Replay, bucket: HealthBucket, failed_at: float) -> None:
    if bucket.failed or bucket.throttled:
        replay.successes = 0
        if failed_at > replay.open_until:
            _trip(replay, failed_at)
    elif bucket.start + BUCKET_S > replay.open_until:
        replay.successes += bucket.ok
        if replay.successes >= CLOSING_SUCCESSES:
            replay.tripped = False
            replay.counts_from = bucket.start + BUCKET_S


def _trip(replay: _Replay, at: float) -> None:
    in_a_row = replay.trips and at - replay.open_until < FORGET_TRIPS_AFTER_S
    replay.trips = replay.trips + 1 if in_a_row else 1
    replay.tripped = True
    replay.successes = 0
    replay.opened_at = at
    replay.open_until = at + min(FIRST_BACKOFF_S * 2 ** (replay.trips - 1), MAX_BACKOFF_S)


def _trips(buckets: Sequence[HealthBucket], index: int, counts_from: int) -> bool:
    oldest = max(counts_from, buckets[index].start - (TRIP_WINDOW_BUCKETS - 1) * BUCKET_S)
    failures = calls = 0.0
    for bucket in buckets[max(0, index - TRIP_WINDOW_BUCKETS + 1) : index + 1]:
        if bucket.start >= oldest:
            weight = bucket.failed + THROTTLED_WEIGHT * bucket.throttled
            failures += weight
            calls += bucket.ok + weight
    return failures >= MIN_FAILURES and failures >= MIN_SHARE * calls


def _failure_time(bucket: HealthBucket, last_failed_at: float | None) -> float:
    """When a bucket's failure was: exactly if it is the latest of all, else in the middle."""
    if last_failed_at is not None and bucket.start <= last_failed_at < bucket.start + BUCKET_S:
        return last_failed_at
    return bucket.start + BUCKET_S / 2


def _asked_to_wait_until(local: Sequence[LocalOutcome], opened_at: float) -> float:
    return max(
        (
            one.at + min(one.retry_after_s, MAX_RETRY_AFTER_S)
            for one in local
            if one.retry_after_s is not None and one.at > opened_at - TRIP_WINDOW_BUCKETS * BUCKET_S
        ),
        default=0.0,
    )


def _as_buckets(local: Sequence[LocalOutcome]) -> tuple[HealthBucket, ...]:
    counts: dict[int, Counter[Outcome]] = {}
    for one in local:
        counts.setdefault(bucket_start(one.at), Counter())[one.outcome] += 1
    return tuple(
        HealthBucket(
            start=start,
            ok=count[Outcome.OK],
            failed=count[Outcome.FAILED],
            throttled=count[Outcome.THROTTLED],
            rejected=count[Outcome.REJECTED],
            latency=(),
        )
        for start, count in sorted(counts.items())
    )
