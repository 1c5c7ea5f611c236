"""Windows, latency buckets and outcomes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.state.windows import (
    LATENCY_BASE,
    Outcome,
    day_start,
    hour_start,
    latency_bucket,
    latency_quantile_s,
    month_start,
    outcome_of,
)
from topics.events import CallStatus


def test_windows_begin_at_utc_boundaries() -> None:
    at = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC).timestamp()

    assert hour_start(at) == datetime(2026, 3, 31, 23, tzinfo=UTC).timestamp()
    assert day_start(at) == datetime(2026, 3, 31, tzinfo=UTC).timestamp()
    assert month_start(at) == datetime(2026, 3, 1, tzinfo=UTC).timestamp()


@given(st.floats(0.00001, 1e6))
def test_a_latency_lies_within_its_bucket(latency_s: float) -> None:
    bucket = latency_bucket(latency_s)

    assert LATENCY_BASE**bucket <= latency_s * 1000 * (1 + 1e-6)
    assert latency_s * 1000 < LATENCY_BASE ** (bucket + 1) * (1 + 1e-6)


@pytest.mark.parametrize("latency_s", [0.0, -1.0, float("inf"), 1e300])
def test_impossible_latencies_go_to_the_outermost_buckets(latency_s: float) -> None:
    assert -26 <= latency_bucket(latency_s) <= 114


@given(st.lists(st.floats(0.001, 100), min_size=1), st.floats(0, 1))
def test_a_quantile_is_off_by_a_tenth_at_most(latencies: list[float], quantile: float) -> None:
    histogram = [(latency_bucket(one), 1) for one in latencies]

    found = latency_quantile_s(histogram, quantile)

    exact = sorted(latencies)[max(1, -int(-quantile * len(latencies) // 1)) - 1]
    assert found == pytest.approx(exact, rel=0.1)


def test_no_calls_have_no_quantile() -> None:
    assert latency_quantile_s((), 0.5) is None


@pytest.mark.parametrize("status", list(CallStatus))
def test_every_status_has_an_outcome(status: CallStatus) -> None:
    assert isinstance(outcome_of(status), Outcome)


def test_an_error_class_of_a_newer_version_does_not_count_against_the_model() -> None:
    assert outcome_of(CallStatus("no_such_status_yet")) is Outcome.REJECTED
