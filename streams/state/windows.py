"""How time, latency and outcomes are cut into the windows and buckets of the state.

Shared by the side that writes partials and the side that reads them. All windows are UTC.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from topics.events import CallStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S
BUCKET_S: Final = 10
"""Length of a health bucket."""
HEALTH_WINDOW_S: Final = 300
"""What counts as recent for health."""

HOURS_KEPT: Final = 25
DAYS_KEPT: Final = 32
MONTHS_KEPT: Final = 13
BUCKETS_KEPT: Final = 31

LATENCY_BASE: Final = 1.2
"""Bucket i of the histogram holds latencies in [1.2^i, 1.2^(i+1)) ms; a quantile is off by 10 % at most."""
_LOG_BASE: Final = math.log(LATENCY_BASE)
_MIN_MS: Final = 0.01
_MAX_MS: Final = 1e9


class Outcome(StrEnum):
    """What a call says about the health of its model."""

    OK = "ok"
    FAILED = "failed"
    """Timeouts, network and server errors, bad responses."""
    THROTTLED = "throttled"
    REJECTED = "rejected"
    """The request's own fault, or the router's. It says nothing about the model."""


_OUTCOMES: Final = {
    CallStatus.OK: Outcome.OK,
    CallStatus.THROTTLED: Outcome.THROTTLED,
    CallStatus.TIMEOUT: Outcome.FAILED,
    CallStatus.NETWORK: Outcome.FAILED,
    CallStatus.SERVER: Outcome.FAILED,
    CallStatus.BAD_RESPONSE: Outcome.FAILED,
    CallStatus.OUTCOME_UNKNOWN: Outcome.REJECTED,  # a router died, not the model
    CallStatus.CONTEXT_TOO_LONG: Outcome.REJECTED,
    CallStatus.CONTENT_REFUSED: Outcome.REJECTED,
    CallStatus.AUTH: Outcome.REJECTED,
    CallStatus.CLIENT: Outcome.REJECTED,
    # A class of error that a newer version writes: it must not open a breaker here.
    CallStatus.UNKNOWN: Outcome.REJECTED,
}


def outcome_of(status: CallStatus) -> Outcome:
    """What a call's status says about its model."""
    return _OUTCOMES[status]


def hour_start(at: float) -> int:
    """Start of the hour, in seconds since the epoch."""
    return int(at) // HOUR_S * HOUR_S


def day_start(at: float) -> int:
    """Start of the day, in seconds since the epoch."""
    return int(at) // DAY_S * DAY_S


def month_start(at: float) -> int:
    """Start of the month, in seconds since the epoch."""
    return _month_of_day(int(at) // DAY_S)


def bucket_start(at: float) -> int:
    """Start of the health bucket, in seconds since the epoch."""
    return int(at) // BUCKET_S * BUCKET_S


@lru_cache(maxsize=4096)
def _month_of_day(day: int) -> int:
    first = datetime.fromtimestamp(day * DAY_S, UTC).replace(day=1)
    return int(first.timestamp())


def latency_bucket(latency_s: float) -> int:
    """Index of the histogram's bucket; values beyond [0.01 ms, 11 days] go to the outermost ones."""
    ms = min(max(latency_s * 1000, _MIN_MS), _MAX_MS)
    return math.floor(math.log(ms) / _LOG_BASE + 1e-9)


def latency_quantile_s(histogram: Iterable[tuple[int, int]], quantile: float) -> float | None:
    """A quantile of the latencies in seconds, as the geometric middle of its bucket.

    Args:
        histogram: pairs (bucket, count), in any order.
        quantile: in [0, 1].

    Returns:
        None where nothing was counted.
    """
    pairs = sorted(histogram)
    total = sum(count for _, count in pairs)
    if total == 0:
        return None
    wanted = max(1, math.ceil(quantile * total))
    below = accumulate(count for _, count in pairs)
    bucket = next(bucket for (bucket, _), seen in zip(pairs, below, strict=True) if seen >= wanted)
    return float(LATENCY_BASE ** (bucket + 0.5)) / 1000
