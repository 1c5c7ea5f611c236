"""Rate-limit headers, as providers really send them."""

from __future__ import annotations

import math
from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.call.rate_limits import rate_limits_of, reset_s, retry_after_s
from tests.call.builders import NOW
from topics.events import RateLimits


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("7.66s", 7.66),
        ("2m59.56s", 179.56),
        ("1d", 86_400.0),
        ("0s", 0.0),
        ("250µs", 0.00025),
        ("59.6", 59.6),
        ("0", 0.0),
        (str(int(NOW) + 30), 30.0),
        (str((int(NOW) + 30) * 1000), 30.0),
        (str(int(NOW) - 30), 0.0),
        ("", None),
        ("soon", None),
        ("-1s", None),
        ("-5", None),
        ("1e9", None),
        ("inf", None),
        ("nan", None),
        ("1s later", None),
        ("\u0661s", None),
        ("9" * 400 + "s", None),
        (None, None),
    ],
)
def test_resets_of_every_notation_become_seconds(value: str | None, expected: float | None) -> None:
    got = reset_s(value, NOW)
    assert got == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "2"}, 2.0),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)}, 90.0),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)}, 0.0),
        (
            {"retry-after": formatdate(NOW + 500, usegmt=True), "date": formatdate(NOW + 410, usegmt=True)},
            90.0,
        ),
        ({"retry-after": "Thu, 99 Foo 2026 00:00:00 GMT"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_seconds_milliseconds_or_a_date(
    headers: dict[str, str], expected: float | None
) -> None:
    assert retry_after_s(headers, NOW) == expected


def test_all_headers_of_openai_are_read() -> None:
    headers = {
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-reset-requests": "8.64s",
        "x-ratelimit-limit-tokens": "200000",
        "x-ratelimit-remaining-tokens": "199984",
        "x-ratelimit-reset-tokens": "4ms",
        "retry-after": "3",
    }
    assert rate_limits_of(headers, NOW) == RateLimits(10_000, 9_999, 8.64, 200_000, 199_984, 0.004, 3.0)


def test_what_makes_no_sense_counts_as_not_said() -> None:
    headers = {"x-ratelimit-remaining-requests": "-1", "x-ratelimit-limit-tokens": "many"}
    assert rate_limits_of(headers, NOW) is None
    assert rate_limits_of({}, NOW) is None


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "retry-after",
                "retry-after-ms",
                "date",
                "x-ratelimit-limit-requests",
                "x-ratelimit-reset-requests",
                "x-ratelimit-reset-tokens",
                "x-ratelimit-remaining-tokens",
            ]
        ),
        st.text(max_size=80)
        | st.from_regex(r"[0-9a-zA-Z ,:+.-]{0,40}", fullmatch=True)
        | st.integers().map(str),
    )
)
@example({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"})
@example({"retry-after": "Mon, 01 Jan 99999999999 00:00:00 GMT"})
def test_any_header_gives_sane_numbers_or_nothing(headers: dict[str, str]) -> None:
    limits = rate_limits_of(headers, NOW) or RateLimits()
    for value in (
        limits.reset_requests_s,
        limits.reset_tokens_s,
        limits.retry_after_s,
        limits.limit_requests,
    ):
        assert value is None or (value >= 0 and math.isfinite(value))
