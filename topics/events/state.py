"""State: mergeable partial aggregates, one per (kind, scope, partition), published as snapshots.

The global view of a scope is the sum of its partials over all partitions.
"""

from dataclasses import dataclass

from topics.events.vocabulary import OpenEnum


class PartialKind(OpenEnum):
    """What a snapshot on `state` is about; the first part of its key."""

    SPEND = "spend"
    HEALTH = "health"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SpendWindow:
    """Sums of one window of time. Windows are UTC; `start` is seconds since the epoch."""

    start: int
    calls: int
    cost_nusd: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class SpendPartial:
    """Spend of one scope as seen in one partition of `call.completed`."""

    scope: str
    """`all`, `model:NAME`, `provider:NAME`, `tenant:NAME`, `type:NAME`, `tag:NAME`."""
    partition: int
    covers_offset: int
    """Highest offset of the source partition that is folded in."""
    updated_at: float
    total: SpendWindow
    """Since the beginning; `start` is the first call's."""
    hours: tuple[SpendWindow, ...]
    """Newest last, at most 25."""
    days: tuple[SpendWindow, ...]
    """Newest last, at most 32."""
    months: tuple[SpendWindow, ...]
    """Newest last, at most 13."""


@dataclass(frozen=True, slots=True)
class HealthBucket:
    """Outcomes of calls that ended in one slice of ten seconds."""

    start: int
    """Seconds since the epoch."""
    ok: int
    failed: int
    """Timeouts, network and server errors, bad responses."""
    throttled: int
    rejected: int
    """Not the model's fault: too long, refused, auth, client, or a router that died."""
    latency: tuple[tuple[int, int], ...]
    """Log-bucket histogram of successful calls: pairs (i, count of latencies in [1.2^i, 1.2^(i+1)) ms)."""


@dataclass(frozen=True, slots=True)
class HealthPartial:
    """Health of one model as seen in one partition of `call.completed`."""

    scope: str
    """`model:NAME`."""
    partition: int
    covers_offset: int
    updated_at: float
    last_ok_at: float | None
    last_failed_at: float | None
    buckets: tuple[HealthBucket, ...]
    """Newest last, at most 31 (five minutes)."""
