"""Pauses between retries, and the budget for them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.call import CallOutcome, RetryBudget, pause_s
from streams.config.settings import Retry
from topics.events import CallStatus

THROTTLED = CallOutcome(CallStatus.THROTTLED, retryable=True)
RETRY = Retry(max_attempts=4, base_s=0.25, max_s=8.0)

chance = st.floats(0, 1, exclude_max=True)
seconds = st.floats(0, 400, allow_nan=False)


def test_what_cannot_succeed_is_not_repeated() -> None:
    assert pause_s(RETRY, 0, CallOutcome(CallStatus.AUTH, retryable=False), 0.5) is None
    assert pause_s(RETRY, 0, CallOutcome(CallStatus.OK), 0.5) is None


def test_attempts_run_out() -> None:
    assert pause_s(RETRY, 2, THROTTLED, 0.5) is not None
    assert pause_s(RETRY, 3, THROTTLED, 0.5) is None


def test_one_attempt_means_no_retry() -> None:
    assert pause_s(Retry(max_attempts=1), 0, THROTTLED, 0.5) is None


def test_the_pause_doubles_and_is_spread_over_its_whole_length() -> None:
    pauses = [pause_s(RETRY, attempt, THROTTLED, 0.5) for attempt in range(3)]
    assert pauses == [0.125, 0.25, 0.5]
    assert pause_s(RETRY, 0, THROTTLED, 0.0) == 0.0


def test_a_retry_after_that_is_too_long_moves_on() -> None:
    assert (
        pause_s(RETRY, 0, CallOutcome(CallStatus.THROTTLED, retryable=True, retry_after_s=8.1), 0.0) is None
    )
    assert pause_s(RETRY, 0, CallOutcome(CallStatus.THROTTLED, retryable=True, retry_after_s=8.0), 0.9) == 8.0


def test_those_turned_away_together_do_not_come_back_together() -> None:
    away = CallOutcome(CallStatus.THROTTLED, retryable=True, retry_after_s=2.0)
    assert pause_s(RETRY, 0, away, 0.1) != pause_s(RETRY, 0, away, 0.9)


@given(
    attempts=st.integers(1, 10),
    base=st.floats(0.001, 60),
    most=st.floats(0.001, 300),
    attempt=st.integers(0, 2_000),
    after=st.none() | seconds,
    random=chance,
)
def test_a_pause_is_never_shorter_than_retry_after_nor_longer_than_allowed(
    attempts: int, base: float, most: float, attempt: int, after: float | None, random: float
) -> None:
    retry = Retry(max_attempts=attempts, base_s=base, max_s=most)
    pause = pause_s(
        retry, attempt, CallOutcome(CallStatus.SERVER, retryable=True, retry_after_s=after), random
    )
    if attempt + 1 >= attempts or (after or 0.0) > most:
        assert pause is None
    else:
        assert pause is not None
        assert (after or 0.0) <= pause <= most


def test_ten_calls_afford_one_retry() -> None:
    budget = RetryBudget(calls_per_retry=10, floor_per_s=0.0, burst=1)
    assert budget.take(0.0)
    assert not budget.take(0.0)
    for _ in range(10):
        budget.called()
    assert budget.take(0.0)
    assert not budget.take(0.0)


def test_little_traffic_may_retry_as_well() -> None:
    budget = RetryBudget(calls_per_retry=10, floor_per_s=0.5, burst=1)
    assert budget.take(100.0)
    assert not budget.take(101.0)
    assert budget.take(103.0)


def test_an_outage_is_not_amplified() -> None:
    budget = RetryBudget()
    retries = 0
    for i in range(10_000):
        budget.called()
        retries += budget.take(i / 1_000)
    assert retries <= 10 + 1_000 + 2


@given(
    events=st.lists(st.tuples(st.booleans(), st.floats(-1, 5)), max_size=300),
    per=st.integers(1, 20),
    floor=st.floats(0, 5),
    burst=st.integers(0, 20),
)
def test_retries_stay_within_their_share(
    events: list[tuple[bool, float]], per: int, floor: float, burst: int
) -> None:
    budget = RetryBudget(calls_per_retry=per, floor_per_s=floor, burst=burst)
    now, latest, first = 0.0, 0.0, None
    calls = retries = 0
    for is_call, step in events:
        now += step  # the clock may even go back
        if is_call:
            calls += 1
            budget.called()
            continue
        first = now if first is None else first
        latest = max(latest, now) if retries or calls else now
        retries += budget.take(now)
    span = max(0.0, latest - (first or 0.0)) + 1.0
    assert retries <= burst + calls / per + floor * span + 1e-6
