"""Rate limits of a model as token buckets: requests a minute and tokens a minute.

Time is an argument; nothing here knows HTTP or which headers tell the limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# What floating point may lose between "wait 0.1 s" and 0.1 s later.
_ROUNDING = 1e-6

Resource = Literal["requests", "tokens"]


class TokenBucket:
    """Holds at most `per_minute * burst_s / 60`, is full at first, and refills evenly."""

    __slots__ = ("_level", "_rate_per_s", "_updated_s", "capacity", "per_minute")

    def __init__(self, per_minute: int, *, burst_s: float, now: float) -> None:
        self.per_minute = per_minute
        self._rate_per_s = per_minute / 60.0
        self.capacity = max(self._rate_per_s * burst_s, 1.0)
        self._level = self.capacity
        self._updated_s = now

    def level(self, now: float) -> float:
        """What can be taken at once."""
        elapsed_s = max(now - self._updated_s, 0.0)
        return min(self.capacity, self._level + elapsed_s * self._rate_per_s)

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until `amount` can be taken: 0 when it can be now, infinite when it never fits."""
        if amount > self.capacity:
            return float("inf")
        missing = amount - self.level(now)
        return 0.0 if missing <= _ROUNDING else missing / self._rate_per_s

    def take(self, amount: float, now: float) -> None:
        """Take it; the caller has asked `wait_s`."""
        self._level = max(self.level(now) - amount, 0.0)
        self._updated_s = now

    def full_in_s(self, now: float) -> float:
        """Seconds until it is full again."""
        return (self.capacity - self.level(now)) / self._rate_per_s


@dataclass(frozen=True, slots=True)
class Headroom:
    """One limit as a caller is told it."""

    resource: Resource
    limit: int
    remaining: int
    reset_s: float
    """Seconds until nothing of the past counts any more."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """A call that does not fit."""

    resource: Resource
    limit: int
    used: int
    requested: int
    wait_s: float
    """Infinite when it never fits."""


class RateLimits:
    """Both limits of one model: a call takes from both or from neither."""

    __slots__ = ("_requests", "_tokens")

    def __init__(self, rpm: int | None, tpm: int | None, *, burst_s: float, now: float) -> None:
        self._requests = None if rpm is None else TokenBucket(rpm, burst_s=burst_s, now=now)
        self._tokens = None if tpm is None else TokenBucket(tpm, burst_s=burst_s, now=now)

    def admit(self, tokens: int, now: float) -> Throttled | None:
        """Take one request and its tokens, or tell why not."""
        if self._requests and (wait_s := self._requests.wait_s(1, now)):
            return _throttled("requests", self._requests, 1, wait_s, now)
        if self._tokens and (wait_s := self._tokens.wait_s(tokens, now)):
            return _throttled("tokens", self._tokens, tokens, wait_s, now)
        if self._requests:
            self._requests.take(1, now)
        if self._tokens:
            self._tokens.take(tokens, now)
        return None

    def headroom(self, now: float) -> tuple[Headroom, ...]:
        """What is left of each limit that there is."""
        told: list[Headroom] = []
        if self._requests:
            told.append(_headroom("requests", self._requests, now))
        if self._tokens:
            told.append(_headroom("tokens", self._tokens, now))
        return tuple(told)


def _headroom(resource: Resource, bucket: TokenBucket, now: float) -> Headroom:
    remaining = int(bucket.level(now) + _ROUNDING)
    return Headroom(resource, bucket.per_minute, remaining, bucket.full_in_s(now))


def _throttled(
    resource: Resource, bucket: TokenBucket, requested: int, wait_s: float, now: float
) -> Throttled:
    used = round(bucket.capacity - bucket.level(now))
    return Throttled(resource, bucket.per_minute, used, requested, wait_s)
