"""Folding calls into the partials of one partition. Pure: no Kafka, no clock.

A batch is first added up by itself, then merged into what the partition holds, so the cost of a partial's
many windows is paid once per batch. Each partial remembers the highest source offset that it covers and takes
nothing at or below it: what is read again after a crash counts once.

`spend|all` sees every call, therefore its `covers_offset` is the partition's position. Whoever stores
partials must store it after all others of the same batch; then every partial is at least as far as it says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from streams.state.merge import NOTHING_SPENT, latest, merge_health, merge_spend
from streams.state.windows import (
    Outcome,
    bucket_start,
    day_start,
    hour_start,
    latency_bucket,
    month_start,
    outcome_of,
)
from topics.events import HealthBucket, HealthPartial, PartialKind, SpendPartial, SpendWindow

if TYPE_CHECKING:
    from collections.abc import Callable

    from topics.events import CallCompleted

Partial = SpendPartial | HealthPartial

ALL = "all"
NOTHING_COVERED = -1


class PartialKey(NamedTuple):
    """What a partial of a partition is about."""

    kind: PartialKind
    scope: str


POSITION_KEY = PartialKey(PartialKind.SPEND, ALL)


def scopes_of(call: CallCompleted) -> tuple[str, ...]:
    """The scopes whose spend a call belongs to."""
    return (
        ALL,
        f"model:{call.model}",
        f"provider:{call.provider}",
        f"tenant:{call.tenant}",
        f"type:{call.type}",
        *(f"tag:{tag}" for tag in dict.fromkeys(call.tags)),
    )


def ended_at(call: CallCompleted, now: float) -> float:
    """When a call ended, in seconds since the epoch; a clock that runs ahead does not reach the future."""
    return max(0.0, min(call.started_at + call.latency_s, now))


@dataclass(slots=True)
class _SpendDelta:
    """What a batch adds to one scope. Lists are calls, cost, input and output tokens."""

    first_at: float
    covers_offset: int
    hours: dict[int, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class _BucketDelta:
    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    latency: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _HealthDelta:
    covers_offset: int
    last_ok_at: float | None = None
    last_failed_at: float | None = None
    buckets: dict[int, _BucketDelta] = field(default_factory=dict)


class PartitionFold:
    """All partials of one partition: fold calls, `settle` at the end of a batch, store what it returns."""

    def __init__(self, partition: int, load: Callable[[PartialKey], Partial | None]) -> None:
        """`load` brings a partial that was stored before; it is asked once per key."""
        self.partition = partition
        self._load = load
        self._partials: dict[PartialKey, Partial | None] = {}
        self._spend: dict[str, _SpendDelta] = {}
        self._health: dict[str, _HealthDelta] = {}
        self._seen_offset = NOTHING_COVERED

    @property
    def covers_offset(self) -> int:
        """Highest offset of the source that every partial of this partition has taken in."""
        return self._covers(POSITION_KEY)

    @property
    def next_offset(self) -> int:
        """First offset that was neither taken in nor passed over, the batch in work included."""
        return max(self.covers_offset, self._seen_offset) + 1

    def partials(self) -> dict[PartialKey, Partial]:
        """What is held, without the batch that is not settled."""
        return {key: partial for key, partial in self._partials.items() if partial is not None}

    def fold(self, call: CallCompleted, offset: int, now: float) -> bool:
        """Take in a call that lies at `offset`.

        Returns:
            Whether any partial had not seen it yet.
        """
        self._seen_offset = max(self._seen_offset, offset)
        at = ended_at(call, now)
        new = self._fold_health(f"model:{call.model}", call, offset, at)
        for scope in scopes_of(call):
            new = self._fold_spend(scope, call, offset, at) or new
        return new

    def skip(self, offset: int) -> None:
        """Pass over a record that is no call and was dealt with otherwise."""
        self._seen_offset = max(self._seen_offset, offset)

    def settle(self, now: float) -> dict[PartialKey, Partial]:
        """End the batch.

        Returns:
            The partials that changed. `spend|all` is the last one: see the module's docstring.
        """
        changed: dict[PartialKey, Partial] = {}
        for scope, health in self._health.items():
            key, more = PartialKey(PartialKind.HEALTH, scope), self._health_partial(scope, health, now)
            held = self._held(key)
            changed[key] = merge_health(held, more) if isinstance(held, HealthPartial) else more
        for scope, spend in self._spend.items():
            key = PartialKey(PartialKind.SPEND, scope)
            changed[key] = self._merged(key, self._spend_partial(scope, spend, now))
        if self._seen_offset > self.covers_offset:
            position = changed.pop(POSITION_KEY, None) or self._position(now)
            changed[POSITION_KEY] = replace(position, covers_offset=self._seen_offset)
        self._health.clear()
        self._spend.clear()
        self._partials.update(changed)
        return changed

    def restate(self, now: float) -> SpendPartial:
        """`spend|all` with a new `updated_at`: that nothing happened is news as well."""
        position = self._partials[POSITION_KEY] = replace(self._position(now), updated_at=now)
        return position

    def _held(self, key: PartialKey) -> Partial | None:
        try:
            return self._partials[key]
        except KeyError:
            partial = self._partials[key] = self._load(key)
            return partial

    def _covers(self, key: PartialKey) -> int:
        held = self._held(key)
        return NOTHING_COVERED if held is None else held.covers_offset

    def _position(self, now: float) -> SpendPartial:
        held = self._held(POSITION_KEY)
        if isinstance(held, SpendPartial):
            return held
        return SpendPartial(ALL, self.partition, NOTHING_COVERED, now, NOTHING_SPENT, (), (), ())

    def _merged(self, key: PartialKey, more: SpendPartial) -> SpendPartial:
        held = self._held(key)
        return merge_spend(held, more) if isinstance(held, SpendPartial) else more

    def _fold_spend(self, scope: str, call: CallCompleted, offset: int, at: float) -> bool:
        delta = self._spend.get(scope)
        if delta is None:
            if offset <= self._covers(PartialKey(PartialKind.SPEND, scope)):
                return False
            delta = self._spend[scope] = _SpendDelta(at, offset)
        elif offset <= delta.covers_offset:
            return False
        delta.covers_offset = offset
        delta.first_at = min(delta.first_at, at)
        hour = hour_start(at)
        sums = delta.hours.get(hour)
        if sums is None:
            sums = delta.hours[hour] = [0, 0, 0, 0]
        sums[0] += 1
        sums[1] += call.cost_nusd
        sums[2] += call.usage.input_tokens
        sums[3] += call.usage.output_tokens
        return True

    def _fold_health(self, scope: str, call: CallCompleted, offset: int, at: float) -> bool:
        delta = self._health.get(scope)
        if delta is None:
            if offset <= self._covers(PartialKey(PartialKind.HEALTH, scope)):
                return False
            delta = self._health[scope] = _HealthDelta(offset)
        elif offset <= delta.covers_offset:
            return False
        delta.covers_offset = offset
        outcome = outcome_of(call.status)
        bucket = delta.buckets.setdefault(bucket_start(at), _BucketDelta())
        bucket.counts[outcome] += 1
        if outcome is Outcome.OK:
            delta.last_ok_at = latest(delta.last_ok_at, at)
            index = latency_bucket(call.latency_s)
            bucket.latency[index] = bucket.latency.get(index, 0) + 1
        elif outcome is not Outcome.REJECTED:
            delta.last_failed_at = latest(delta.last_failed_at, at)
        return True

    def _spend_partial(self, scope: str, delta: _SpendDelta, now: float) -> SpendPartial:
        return SpendPartial(
            scope=scope,
            partition=self.partition,
            covers_offset=delta.covers_offset,
            updated_at=now,
            total=_added_up(delta.hours, lambda _: int(delta.first_at))[0],
            hours=_added_up(delta.hours, int),
            days=_added_up(delta.hours, day_start),
            months=_added_up(delta.hours, month_start),
        )

    def _health_partial(self, scope: str, delta: _HealthDelta, now: float) -> HealthPartial:
        return HealthPartial(
            scope=scope,
            partition=self.partition,
            covers_offset=delta.covers_offset,
            updated_at=now,
            last_ok_at=delta.last_ok_at,
            last_failed_at=delta.last_failed_at,
            buckets=tuple(
                HealthBucket(
                    start=start,
                    ok=bucket.counts[Outcome.OK],
                    failed=bucket.counts[Outcome.FAILED],
                    throttled=bucket.counts[Outcome.THROTTLED],
                    rejected=bucket.counts[Outcome.REJECTED],
                    latency=tuple(sorted(bucket.latency.items())),
                )
                for start, bucket in sorted(delta.buckets.items())
            ),
        )


def _added_up(hours: dict[int, list[int]], start_of: Callable[[float], int]) -> tuple[SpendWindow, ...]:
    """Hours added up to windows of any length, in order of start."""
    if len(hours) == 1:
        ((hour, sums),) = hours.items()
        return (SpendWindow(start_of(hour), *sums),)
    longer: dict[int, list[int]] = {}
    for hour, sums in hours.items():
        start = start_of(hour)
        known = longer.get(start)
        longer[start] = sums if known is None else [a + b for a, b in zip(known, sums, strict=True)]
    return tuple(SpendWindow(start, *longer[start]) for start in sorted(longer))
