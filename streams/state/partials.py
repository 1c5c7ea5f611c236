"""The newest snapshot of every partial, and their sums. Fed with records of `state.v1`; knows no Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.decide.world import ModelHealth
from streams.state.breaker import breaker_state
from streams.state.merge import Health, Spend, add_up_health, add_up_spend
from streams.state.windows import HEALTH_WINDOW_S, Outcome
from topics.codec import Rejection, decode
from topics.events import HealthPartial, PartialKind, SpendPartial

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.state.overlay import Overlay

MODEL_SCOPE = "model:"


class Partials:
    """The newest snapshot of every partial, and their sums. Knows no Kafka."""

    def __init__(self, on_health: Callable[[str, int, int], None] | None = None) -> None:
        """`on_health` hears of every health snapshot: model, partition, covered offset."""
        self.malformed = 0
        """Records that could not be used."""
        self._spend: dict[str, dict[int, SpendPartial]] = {}
        self._health: dict[str, dict[int, HealthPartial]] = {}
        self._spend_sums: dict[str, Spend] = {}
        self._health_sums: dict[str, Health] = {}
        self._on_health = on_health

    def take(self, key: bytes | None, value: bytes | None) -> SpendPartial | HealthPartial | None:
        """Take in a record: replace, remove (a tombstone), or pass over what this version does not know.

        Returns:
            The partial that is new.
        """
        parsed = _parse_key(key)
        if parsed is None:
            self.malformed += 1
            return None
        kind, scope, partition = parsed
        if kind is PartialKind.UNKNOWN:
            return None
        if value is None:
            self._forget(kind, scope, partition)
            return None
        partial = decode_partial(kind, value)
        if isinstance(partial, Rejection) or partial.partition != partition or partial.scope != scope:
            self.malformed += 1
            return None
        self._replace(partial)
        return partial

    def spend(self, scope: str) -> Spend:
        """Spend of a scope (`all`, `model:NAME`, ...); zero where nothing is known."""
        found = self._spend_sums.get(scope)
        if found is None:
            found = add_up_spend(scope, self._spend.get(scope, {}).values())
            self._spend_sums[scope] = found
        return found

    def health(self, model: str) -> Health:
        """Health of a model; empty where nothing is known."""
        scope = MODEL_SCOPE + model
        found = self._health_sums.get(scope)
        if found is None:
            found = add_up_health(scope, self._health.get(scope, {}).values())
            self._health_sums[scope] = found
        return found

    def scopes(self) -> list[str]:
        """Scopes of which spend is known."""
        return sorted(self._spend)

    def models(self) -> list[str]:
        """Models of which health is known."""
        return sorted(scope.removeprefix(MODEL_SCOPE) for scope in self._health)

    def _replace(self, partial: SpendPartial | HealthPartial) -> None:
        if isinstance(partial, SpendPartial):
            self._spend.setdefault(partial.scope, {})[partial.partition] = partial
            self._spend_sums.pop(partial.scope, None)
            return
        self._health.setdefault(partial.scope, {})[partial.partition] = partial
        self._health_sums.pop(partial.scope, None)
        if self._on_health is not None:
            model = partial.scope.removeprefix(MODEL_SCOPE)
            self._on_health(model, partial.partition, partial.covers_offset)

    def _forget(self, kind: PartialKind, scope: str, partition: int) -> None:
        by_scope: dict[str, Any] = self._spend if kind is PartialKind.SPEND else self._health
        by_partition = by_scope.get(scope, {})
        by_partition.pop(partition, None)
        if not by_partition:
            by_scope.pop(scope, None)
        (self._spend_sums if kind is PartialKind.SPEND else self._health_sums).pop(scope, None)


def model_health(partials: Partials, overlay: Overlay, model: str, now: float) -> ModelHealth:
    """A model's breaker and last five minutes from both sources."""
    health, local = partials.health(model), overlay.outcomes(model, now)
    recent = [bucket for bucket in health.buckets if bucket.start > now - HEALTH_WINDOW_S]
    counted = [one for one in local if one.outcome is not Outcome.REJECTED]
    ok = sum(bucket.ok for bucket in recent) + sum(one.outcome is Outcome.OK for one in counted)
    failed = sum(bucket.failed + bucket.throttled for bucket in recent)
    failed += sum(one.outcome is not Outcome.OK for one in counted)
    rejected = sum(bucket.rejected for bucket in recent) + len(local) - len(counted)
    state = breaker_state(health.buckets, health.last_failed_at, local, now)
    return ModelHealth(breaker=state, calls=ok + failed + rejected, failures=failed)


def decode_partial(kind: PartialKind, value: bytes) -> SpendPartial | HealthPartial | Rejection:
    """The value of a snapshot, or of the tables' changelog; `kind` is not unknown."""
    if kind is PartialKind.SPEND:
        return decode(value, SpendPartial)
    return decode(value, HealthPartial)


def state_key(kind: PartialKind, scope: str, partition: int) -> bytes:
    """The key of a snapshot on `state.v1`."""
    return f"{kind}|{scope}|{partition}".encode()


def _parse_key(key: bytes | None) -> tuple[PartialKind, str, int] | None:
    """`<kind>|<scope>|<partition>`; a scope may contain the separator."""
    try:
        kind, rest = (key or b"").decode().split("|", 1)
        scope, partition = rest.rsplit("|", 1)
        return PartialKind(kind), scope, int(partition)
    except ValueError:
        return None
