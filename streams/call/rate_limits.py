"""What a provider's response headers say about headroom, and for how long to stay away. Pure; never raises.

Read here: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` (OpenAI and those who copy it),
`retry-after-ms` and `retry-after` (RFC 9110: seconds or an HTTP date). What cannot be understood counts as
not said.
"""

from __future__ import annotations

import math
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from topics.events import RateLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 64
"""Characters of a header's value that are looked at; no honest one is longer."""
_MOST = 10**12
_UNIT_S = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|us|µs|ns|d|h|m|s)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_EPOCH_S = 1e9
"""A reset above this is an instant in seconds since the epoch, not a duration (which would be 30 years)."""
_EPOCH_MS = 1e12
"""And above this in milliseconds."""
_NOTHING = RateLimits()


def rate_limits_of(headers: Mapping[str, str], now: float) -> RateLimits | None:
    """Everything the headers say, or None when they say nothing.

    Args:
        headers: names in lower case.
        now: seconds since the epoch; what instants are measured against.
    """
    limits = RateLimits(
        limit_requests=_count(headers.get("x-ratelimit-limit-requests")),
        remaining_requests=_count(headers.get("x-ratelimit-remaining-requests")),
        reset_requests_s=reset_s(headers.get("x-ratelimit-reset-requests"), now),
        limit_tokens=_count(headers.get("x-ratelimit-limit-tokens")),
        remaining_tokens=_count(headers.get("x-ratelimit-remaining-tokens")),
        reset_tokens_s=reset_s(headers.get("x-ratelimit-reset-tokens"), now),
        retry_after_s=retry_after_s(headers, now),
    )
    return None if limits == _NOTHING else limits


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """For how long to stay away, in seconds. `retry-after-ms` is finer and comes first.

    A date is measured against the response's own `date`, so a wrong clock on either side does no harm.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1e3
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    until = _http_date(value)
    if until is None:
        return None
    sent_at = _http_date(headers.get("date"))
    return max(0.0, until - (now if sent_at is None else sent_at))


def reset_s(value: str | None, now: float) -> float | None:
    """Seconds until a limit is whole again: `6m0s`, `120ms`, `1s`, `59.6`, or an instant since the epoch."""
    number = _number(value)
    if number is not None:
        if number >= _EPOCH_MS:
            return max(0.0, number / 1e3 - now)
        return max(0.0, number - now) if number >= _EPOCH_S else number
    if value is None or len(value) > _LONGEST:
        return None
    text = value.strip()
    if not _DURATION.fullmatch(text):
        return None
    total = sum(float(amount) * _UNIT_S[unit] for amount, unit in _PART.findall(text))
    return total if math.isfinite(total) else None


def _count(value: str | None) -> int | None:
    number = _number(value)
    return None if number is None or number > _MOST else int(number)


def _number(value: str | None) -> float | None:
    """A decimal number that is not negative; no exponents, no infinities, no digits of other scripts."""
    if value is None or len(value) > _LONGEST:
        return None
    text = value.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def _http_date(value: str | None) -> float | None:
    """Seconds since the epoch."""
    if value is None or len(value) > _LONGEST:
        return None
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError, OSError):
        return None
