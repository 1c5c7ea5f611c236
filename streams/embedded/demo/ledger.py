"""What became of the submitted records, folded from the events on the topics. Pure: no Kafka, no clock.

Events may come in any order, more than once, before it is known that their record is one of ours, and about
records of others. A record is known by its place, `topic:partition:offset`, which every derived event carries.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.registry.prices import cost_nusd
from topics.events import CallCompleted, CallStatus, ResultStatus, TaskCompleted, TaskRouted

if TYPE_CHECKING:
    from streams.registry import Registry

CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class DeadLettered:
    """A record that ended as a dead letter."""

    source: str


Event = TaskRouted | CallCompleted | TaskCompleted | DeadLettered


@dataclass(slots=True)
class ModelAccount:
    """One model's calls."""

    calls: int = 0
    failed: int = 0
    answered: int = 0
    """Completed tasks whose answer it gave."""
    cost_nusd: int = 0


@dataclass(slots=True)
class _Record:
    """One submitted record."""

    result: TaskCompleted | None = None
    results: int = 0
    dead: bool = False
    decision_seen: bool = False
    calls: dict[str, CallCompleted] = field(default_factory=dict)
    """By event id: a call that is told of twice is one call."""
    priced: bool = False
    """The answer is in the baseline."""


class Ledger:
    """Counts over the submitted records.

    Args:
        registry: the models with their prices.
    """

    def __init__(self, registry: Registry) -> None:
        self.best = registry.models[registry.best()]
        """The model whose prices the baseline has."""
        self.models = {model.name: ModelAccount() for model in registry.models}
        self.submitted = 0
        self.completed = 0
        self.failed = 0
        self.dead_lettered = 0
        self.duplicates = 0
        """Records with more than one result, or with a result and a dead letter."""
        self.cost_nusd = 0
        """All calls, also those that failed or whose answer was not used."""
        self.baseline_nusd = 0
        """The tokens of every answer, at the best model's prices."""
        self.failovers = 0
        """Completed tasks whose answer came from a later step of the plan than the first."""
        self.avoided = 0
        """Tasks decided past a model of the same tier because its breaker was open."""
        self.latencies_s: list[float] = []
        self.tiers: Counter[str] = Counter()
        """Completed tasks by tier of the model that answered."""
        self.first_failover: str | None = None
        """Id of a task that failed over."""
        self.first_completed: str | None = None
        self.events = 0
        """Events about our records so far; it stands still when nothing happens any more."""
        self._tier_of = {model.name: model.tier.value for model in registry.models}
        self._records: dict[str, _Record] = {}
        self._early: dict[str, list[Event]] = {}
        self._priced = 0

    @property
    def ended(self) -> int:
        """Records with an outcome."""
        return self.completed + self.failed + self.dead_lettered

    @property
    def open(self) -> int:
        """Records without one; at the end they are lost."""
        return self.submitted - self.ended

    @property
    def settled(self) -> bool:
        """Whether every record has its outcome, and every answer its call."""
        return self.open == 0 and self._priced == self.completed

    def submit(self, source: str) -> None:
        """This record is ours."""
        self._records[source] = _Record()
        self.submitted += 1
        for event in self._early.pop(source, ()):
            self._apply(self._records[source], event)

    def take(self, event: Event) -> None:
        """An event was read."""
        record = self._records.get(event.source)
        if record is None:
            self._early.setdefault(event.source, []).append(event)
        else:
            self._apply(record, event)

    def _apply(self, record: _Record, event: Event) -> None:
        self.events += 1
        match event:
            case TaskRouted():
                self._routed(record, event)
            case CallCompleted():
                self._called(record, event)
            case TaskCompleted():
                self._completed(record, event)
            case DeadLettered():
                if record.result is None and not record.dead:
                    self.dead_lettered += 1
                elif record.result is not None and not record.dead:
                    self.duplicates += 1
                record.dead = True
        self._price(record)

    def _routed(self, record: _Record, decision: TaskRouted) -> None:
        if record.decision_seen or not decision.plan.steps:
            return
        record.decision_seen = True
        tier = self._tier_of.get(decision.plan.steps[0].model)
        ill = {seen.model for seen in decision.inputs.models if seen.breaker != CLOSED}
        passed_over = ill & decision.candidates.excluded.keys()
        self.avoided += any(self._tier_of.get(model) == tier for model in passed_over)

    def _called(self, record: _Record, call: CallCompleted) -> None:
        if call.event_id in record.calls:
            return
        record.calls[call.event_id] = call
        self.cost_nusd += call.cost_nusd
        account = self.models.setdefault(call.model, ModelAccount())
        account.calls += 1
        account.failed += call.status is not CallStatus.OK
        account.cost_nusd += call.cost_nusd

    def _completed(self, record: _Record, result: TaskCompleted) -> None:
        record.results += 1
        if record.results == 2 or (record.dead and record.results == 1):  # noqa: PLR2004 - counted once a record
            self.duplicates += 1
        if record.result is not None or record.dead:
            return
        record.result = result
        if result.status is not ResultStatus.COMPLETED:
            self.failed += 1
            return
        self.completed += 1
        self.first_completed = self.first_completed or result.task_id
        self.latencies_s.append(result.latency_s)
        self.tiers[result.tier or "unknown"] += 1
        if result.model is not None:
            self.models.setdefault(result.model, ModelAccount()).answered += 1

    def _price(self, record: _Record) -> None:
        """Once both the answer and its call are known: the baseline, and whether it was a failover."""
        if record.priced or record.result is None or not _answered(record):
            return
        call = _answering_call(record)
        if call is None:
            return
        record.priced = True
        self._priced += 1
        self.baseline_nusd += cost_nusd(self.best.prices, call.usage)
        if call.step > 0:
            self.failovers += 1
            self.first_failover = self.first_failover or record.result.task_id


def _answered(record: _Record) -> bool:
    return record.result is not None and record.result.status is ResultStatus.COMPLETED


def _answering_call(record: _Record) -> CallCompleted | None:
    """The last good call to the model whose answer it is."""
    model = None if record.result is None else record.result.model
    good = [c for c in record.calls.values() if c.model == model and c.status is CallStatus.OK]
    return max(good, key=lambda call: (call.step, call.attempt, call.repeat), default=None)
