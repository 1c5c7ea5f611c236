"""Rate limits of simulated models, on a clock of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.embedded.simulator.buckets import RateLimits, TokenBucket


def test_a_bucket_is_full_at_first_and_refills_evenly() -> None:
    bucket = TokenBucket(60, burst_s=60, now=0.0)
    bucket.take(60, 0.0)

    assert bucket.wait_s(1, 0.0) == 1.0
    assert bucket.wait_s(1, 0.75) == 0.25
    assert bucket.wait_s(1, 1.0) == 0.0
    assert bucket.full_in_s(15.0) == 45.0
    assert bucket.level(3600.0) == 60.0


def test_what_is_larger_than_the_bucket_never_fits() -> None:
    bucket = TokenBucket(60, burst_s=10, now=0.0)

    assert bucket.capacity == 10.0
    assert bucket.wait_s(11, 0.0) == float("inf")


def test_a_call_takes_from_both_limits_or_from_neither() -> None:
    limits = RateLimits(10, 100, burst_s=60, now=0.0)

    assert limits.admit(90, 0.0) is None
    refused = limits.admit(20, 0.0)

    assert refused is not None
    assert (refused.resource, refused.limit, refused.used, refused.requested) == ("tokens", 100, 90, 20)
    assert refused.wait_s == 6.0
    requests, tokens = limits.headroom(0.0)
    assert (requests.remaining, tokens.remaining) == (9, 10)


def test_without_limits_there_is_nothing_to_tell() -> None:
    limits = RateLimits(None, None, burst_s=60, now=0.0)

    assert limits.admit(10**9, 0.0) is None
    assert limits.headroom(0.0) == ()


@given(
    per_minute=st.integers(1, 100_000),
    burst_s=st.floats(0.1, 120),
    calls=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 500)), max_size=60),
)
def test_never_more_than_burst_and_refill_is_taken(
    per_minute: int, burst_s: float, calls: list[tuple[float, int]]
) -> None:
    bucket = TokenBucket(per_minute, burst_s=burst_s, now=0.0)
    now, taken = 0.0, 0
    for pause_s, amount in calls:
        now += pause_s
        if bucket.wait_s(amount, now) == 0.0:
            bucket.take(amount, now)
            taken += amount

    assert taken <= bucket.capacity + now * per_minute / 60 + 1e-3


@given(per_minute=st.integers(1, 100_000), amount=st.integers(1, 500), now=st.floats(0, 1e6))
def test_after_the_wait_that_is_told_the_call_fits(per_minute: int, amount: int, now: float) -> None:
    bucket = TokenBucket(per_minute, burst_s=60, now=now)
    bucket.take(bucket.capacity, now)
    wait_s = bucket.wait_s(amount, now)

    assert wait_s == float("inf") or bucket.wait_s(amount, now + wait_s + 1e-6) <= 1e-6
