"""Merging partial aggregates: sums, histograms, latest times. Associative, commutative, exact (integers).

The same functions fold a batch of calls into what a partition holds (writing side) and add the partitions up
(reading side). Which windows are kept depends only on the windows themselves, never on the order in which
they came, so that both agree.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.state.windows import BUCKETS_KEPT, DAYS_KEPT, HOURS_KEPT, MONTHS_KEPT
from topics.events import HealthBucket, HealthPartial, SpendPartial, SpendWindow

if TYPE_CHECKING:
    from collections.abc import Iterable

NOTHING_SPENT = SpendWindow(start=0, calls=0, cost_nusd=0, input_tokens=0, output_tokens=0)


@dataclass(frozen=True, slots=True)
class Spend:
    """Spend of one scope over all partitions. Windows as in `SpendPartial`."""

    scope: str
    updated_at: float
    total: SpendWindow
    hours: tuple[SpendWindow, ...]
    days: tuple[SpendWindow, ...]
    months: tuple[SpendWindow, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """Health of one model over all partitions. Buckets as in `HealthPartial`."""

    scope: str
    updated_at: float
    last_ok_at: float | None
    last_failed_at: float | None
    """Last call that failed or was throttled."""
    buckets: tuple[HealthBucket, ...]


def merge_spend(held: SpendPartial, more: SpendPartial) -> SpendPartial:
    """Two partials of one scope and partition as one; scope and partition are the first one's."""
    return SpendPartial(
        scope=held.scope,
        partition=held.partition,
        covers_offset=max(held.covers_offset, more.covers_offset),
        updated_at=max(held.updated_at, more.updated_at),
        total=merge_totals(held.total, more.total),
        hours=merge_windows(held.hours, more.hours, HOURS_KEPT),
        days=merge_windows(held.days, more.days, DAYS_KEPT),
        months=merge_windows(held.months, more.months, MONTHS_KEPT),
    )


def merge_health(held: HealthPartial, more: HealthPartial) -> HealthPartial:
    """Two partials of one model and partition as one; scope and partition are the first one's."""
    return HealthPartial(
        scope=held.scope,
        partition=held.partition,
        covers_offset=max(held.covers_offset, more.covers_offset),
        updated_at=max(held.updated_at, more.updated_at),
        last_ok_at=latest(held.last_ok_at, more.last_ok_at),
        last_failed_at=latest(held.last_failed_at, more.last_failed_at),
        buckets=merge_buckets(held.buckets, more.buckets),
    )


def add_up_spend(scope: str, partials: Iterable[SpendPartial]) -> Spend:
    """The view of a scope: the sum of its partials, zero where there are none."""
    total, updated_at = NOTHING_SPENT, 0.0
    hours: tuple[SpendWindow, ...] = ()
    days: tuple[SpendWindow, ...] = ()
    months: tuple[SpendWindow, ...] = ()
    for one in partials:
        total = merge_totals(total, one.total)
        updated_at = max(updated_at, one.updated_at)
        hours = merge_windows(hours, one.hours, HOURS_KEPT)
        days = merge_windows(days, one.days, DAYS_KEPT)
        months = merge_windows(months, one.months, MONTHS_KEPT)
    return Spend(scope, updated_at, total, hours, days, months)


def add_up_health(scope: str, partials: Iterable[HealthPartial]) -> Health:
    """The view of a model: the sum of its partials, empty where there are none."""
    updated_at = 0.0
    last_ok_at: float | None = None
    last_failed_at: float | None = None
    buckets: tuple[HealthBucket, ...] = ()
    for one in partials:
        updated_at = max(updated_at, one.updated_at)
        last_ok_at = latest(last_ok_at, one.last_ok_at)
        last_failed_at = latest(last_failed_at, one.last_failed_at)
        buckets = merge_buckets(buckets, one.buckets)
    return Health(scope, updated_at, last_ok_at, last_failed_at, buckets)


def merge_totals(a: SpendWindow, b: SpendWindow) -> SpendWindow:
    """The sum; it starts where the earlier of the two starts, not counting one without calls."""
    if a.calls == 0:
        return b
    return a if b.calls == 0 else _sum(min(a.start, b.start), a, b)


def merge_windows(
    a: tuple[SpendWindow, ...], b: tuple[SpendWindow, ...], keep: int
) -> tuple[SpendWindow, ...]:
    """Windows of the same start summed, in order of start, the newest `keep` of them."""
    if not a or not b:
        return (a or b)[-keep:]
    if len(b) == 1 and a[-1].start == b[0].start:  # nearly always, when a batch is folded
        return (*a[:-1], _sum(a[-1].start, a[-1], b[0]))
    merged = {window.start: window for window in a}
    for window in b:
        known = merged.get(window.start)
        merged[window.start] = window if known is None else _sum(window.start, known, window)
    return tuple(merged[start] for start in sorted(merged)[-keep:])


def merge_buckets(
    a: tuple[HealthBucket, ...], b: tuple[HealthBucket, ...], keep: int = BUCKETS_KEPT
) -> tuple[HealthBucket, ...]:
    """Buckets of the same start summed, in order of start, the newest `keep` of them."""
    if not a or not b:
        return (a or b)[-keep:]
    merged = {bucket.start: bucket for bucket in a}
    for bucket in b:
        known = merged.get(bucket.start)
        merged[bucket.start] = bucket if known is None else _sum_buckets(known, bucket)
    return tuple(merged[start] for start in sorted(merged)[-keep:])


def latest(a: float | None, b: float | None) -> float | None:
    """The later of two times, either of which may be unknown."""
    if a is None or b is None:
        return b if a is None else a
    return max(a, b)


def _sum(start: int, a: SpendWindow, b: SpendWindow) -> SpendWindow:
    return SpendWindow(
        start=start,
        calls=a.calls + b.calls,
        cost_nusd=a.cost_nusd + b.cost_nusd,
        input_tokens=a.input_tokens + b.input_tokens,
        output_tokens=a.output_tokens + b.output_tokens,
    )


def _sum_buckets(a: HealthBucket, b: HealthBucket) -> HealthBucket:
    histogram = Counter(dict(a.latency))
    histogram.update(dict(b.latency))
    return HealthBucket(
        start=a.start,
        ok=a.ok + b.ok,
        failed=a.failed + b.failed,
        throttled=a.throttled + b.throttled,
        rejected=a.rejected + b.rejected,
        latency=tuple(sorted(histogram.items())),
    )
