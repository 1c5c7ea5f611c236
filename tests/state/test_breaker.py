"""When a model's breaker opens, how long it stays open, and what closes it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.decide.world import BreakerState
from streams.state.breaker import MAX_BACKOFF_S, LocalOutcome, breaker_state
from streams.state.merge import merge_buckets
from streams.state.windows import Outcome
from topics.events import HealthBucket

T = 1_764_000_000
CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def bucket(at: int, *, ok: int = 0, failed: int = 0, throttled: int = 0, rejected: int = 0) -> HealthBucket:
    return HealthBucket((T + at) // 10 * 10, ok, failed, throttled, rejected, ())


def state(*buckets: HealthBucket, now: float, failed_at: float | None = None) -> BreakerState:
    return breaker_state(buckets, None if failed_at is None else T + failed_at, (), T + now)


def local(at: float, outcome: Outcome = Outcome.FAILED, retry_after_s: float | None = None) -> LocalOutcome:
    return LocalOutcome(T + at, outcome, retry_after_s)


def test_nothing_known_is_closed() -> None:
    assert state(now=0) is CLOSED


def test_one_failure_alone_does_not_open() -> None:
    assert state(bucket(0, failed=1), now=1, failed_at=0) is CLOSED


def test_failures_that_are_few_among_many_do_not_open() -> None:
    assert state(bucket(0, ok=50, failed=20), now=1, failed_at=0) is CLOSED


def test_five_failures_that_are_half_of_the_calls_open() -> None:
    assert state(bucket(0, ok=5, failed=5), now=1, failed_at=0) is OPEN


def test_failures_spread_over_half_a_minute_open() -> None:
    buckets = (bucket(0, failed=2), bucket(10, failed=2), bucket(20, failed=1))

    assert state(*buckets, now=22, failed_at=21) is OPEN


def test_failures_spread_over_longer_do_not_open() -> None:
    buckets = (bucket(0, failed=2), bucket(20, failed=2), bucket(40, failed=2))

    assert state(*buckets, now=42, failed_at=41) is CLOSED


def test_throttling_counts_half() -> None:
    assert state(bucket(0, throttled=9), now=1, failed_at=0) is CLOSED
    assert state(bucket(0, throttled=10), now=1, failed_at=0) is OPEN


def test_rejected_requests_say_nothing() -> None:
    assert state(bucket(0, rejected=100), now=1) is CLOSED
    assert state(bucket(0, failed=5, rejected=100), now=1, failed_at=0) is OPEN


def test_after_the_back_off_it_is_half_open() -> None:
    buckets = (bucket(0, failed=5),)

    assert state(*buckets, now=12.9, failed_at=3) is OPEN
    assert state(*buckets, now=13.1, failed_at=3) is HALF_OPEN


def test_it_stays_half_open_until_somebody_tries() -> None:
    assert state(bucket(0, failed=5), now=86_400, failed_at=3) is HALF_OPEN


def test_two_successes_close_it() -> None:
    trip = bucket(0, failed=5)

    assert state(trip, bucket(20, ok=1), now=21, failed_at=3) is HALF_OPEN
    assert state(trip, bucket(20, ok=2), now=21, failed_at=3) is CLOSED
    assert state(trip, bucket(20, ok=1), bucket(30, ok=1), now=31, failed_at=3) is CLOSED


def test_a_failure_while_half_open_opens_it_for_twice_as_long() -> None:
    buckets = (bucket(0, failed=5), bucket(20, failed=1))

    assert state(*buckets, now=43.9, failed_at=24) is OPEN
    assert state(*buckets, now=44.1, failed_at=24) is HALF_OPEN


def test_late_failures_of_calls_begun_before_do_not_lengthen_the_back_off() -> None:
    buckets = (bucket(0, failed=5), bucket(10, failed=3))

    assert state(*buckets, now=15.1, failed_at=11) is HALF_OPEN


def test_a_retry_after_lengthens_the_back_off() -> None:
    outcomes = (local(1, Outcome.THROTTLED, retry_after_s=45.0),)

    found = [breaker_state((bucket(0, failed=5),), T + 2.0, outcomes, T + now) for now in (45.0, 47.0)]

    assert found == [OPEN, HALF_OPEN]


def test_a_retry_after_alone_opens_nothing() -> None:
    assert breaker_state((), None, (local(0, Outcome.THROTTLED, 60.0),), T + 1.0) is CLOSED


def test_this_routers_own_outcomes_count_at_once() -> None:
    outcomes = [local(number / 10) for number in range(4)]

    assert breaker_state((), None, outcomes, T + 1.0) is CLOSED
    assert breaker_state((bucket(0, failed=1),), T + 0.0, outcomes, T + 1.0) is OPEN


def test_an_outage_is_not_forgotten_when_only_probes_have_been_seen_for_long() -> None:
    trip, probes = bucket(0, failed=5), [bucket(150 * n, failed=1) for n in range(1, 25)]

    assert state(trip, *probes, now=24 * 150 + 6, failed_at=24 * 150 + 5) is OPEN


def test_failures_before_a_recovery_do_not_open_it_again() -> None:
    buckets = (bucket(0, failed=20), bucket(20, ok=2), bucket(30, ok=2, failed=1))

    assert state(*buckets, now=31, failed_at=30) is CLOSED


buckets_of_five_minutes = st.lists(
    st.builds(
        lambda at, ok, failed, throttled: bucket(at * 10, ok=ok, failed=failed, throttled=throttled),
        st.integers(0, 30),
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(0, 5),
    ),
    max_size=31,
    unique_by=lambda one: one.start,
).map(lambda found: tuple(sorted(found, key=lambda one: one.start)))


def last_failure(buckets: tuple[HealthBucket, ...]) -> float | None:
    return max((one.start + 4.0 for one in buckets if one.failed or one.throttled), default=None)


@given(buckets_of_five_minutes)
def test_without_failures_it_is_always_closed(buckets: tuple[HealthBucket, ...]) -> None:
    fine = tuple(HealthBucket(one.start, one.ok, 0, 0, one.rejected, ()) for one in buckets)

    assert breaker_state(fine, None, (), T + 310.0) is CLOSED


@given(buckets_of_five_minutes)
def test_fewer_than_five_failures_never_open_it(buckets: tuple[HealthBucket, ...]) -> None:
    few = tuple(
        HealthBucket(one.start, one.ok, int(index in (1, 4)), int(index in (2, 3, 5)), 0, ())
        for index, one in enumerate(buckets)
    )

    assert breaker_state(few, last_failure(few), (), T + 310.0) is CLOSED


@given(buckets_of_five_minutes, st.floats(0, 1_000))
def test_no_back_off_is_longer_than_its_limit(buckets: tuple[HealthBucket, ...], later: float) -> None:
    failed_at = last_failure(buckets)
    now = (failed_at or T) + MAX_BACKOFF_S + 10 + later

    assert breaker_state(buckets, failed_at, (), now) is not OPEN


@given(buckets_of_five_minutes, st.floats(0, 400))
def test_an_open_breaker_passes_half_open_before_it_closes(
    buckets: tuple[HealthBucket, ...], after: float
) -> None:
    # Time alone never closes a breaker: without new calls open leads to half-open and stays there.
    failed_at, now = last_failure(buckets), T + 310.0
    first = breaker_state(buckets, failed_at, (), now)
    later = breaker_state(buckets, failed_at, (), now + after)

    assert (first, later) in {(CLOSED, CLOSED), (OPEN, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, HALF_OPEN)}


@given(buckets_of_five_minutes, buckets_of_five_minutes, st.floats(0, 400))
def test_how_calls_were_spread_over_partitions_does_not_matter(
    one: tuple[HealthBucket, ...], other: tuple[HealthBucket, ...], now: float
) -> None:
    failed_at = max((at for at in (last_failure(one), last_failure(other)) if at is not None), default=None)

    there = breaker_state(merge_buckets(one, other), failed_at, (), T + now)
    back = breaker_state(merge_buckets(other, one), failed_at, (), T + now)

    assert there is back
