"""What the topics say when all is over, compared with what was submitted and with what providers were asked.

Reads everything once; the checks are plain functions of it. The words are those of docs/design.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from topics import catalog, codec
from topics.events import CallCompleted, CallStatus, ResultStatus, TaskCompleted, TaskRouted
from topics.headers import call_id_of, header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.system.cluster import Cluster
    from topics.catalog import Topic

T = TypeVar("T")

NOTICED_WITHIN_S = 0.5
"""A request that was on its way when its router was killed is noted so much later at most."""


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A record: where it lies, since when, and what it says."""

    partition: int
    offset: int
    at: float
    """Seconds since the epoch."""
    ce_id: str | None
    event: T


@dataclass
class Audit:
    """All that was written for a set of tasks."""

    submitted: Sequence[str]
    arrivals: Mapping[str, Sequence[float]]
    """At the providers, by idempotency key."""
    kills: Sequence[float]
    routed: list[Entry[TaskRouted]]
    calls: list[Entry[CallCompleted]]
    results: list[Entry[TaskCompleted]]
    dead_letters: int
    by_task: dict[str, list[Entry[CallCompleted]]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for call in self.calls:
            self.by_task[call.event.task_id].append(call)

    # --- what came out -------------------------------------------------------------------------------

    def results_of(self) -> dict[str, list[Entry[TaskCompleted]]]:
        found: dict[str, list[Entry[TaskCompleted]]] = defaultdict(list)
        for entry in self.results:
            found[entry.event.task_id].append(entry)
        return found

    def without_one_result(self) -> dict[str, list[str]]:
        """Tasks with no result, or with several that differ in their id."""
        found = self.results_of()
        ids = {task: [entry.event.result_id for entry in found.get(task, ())] for task in self.submitted}
        return {task: each for task, each in ids.items() if len(set(each)) != 1}

    def failed(self) -> list[TaskCompleted]:
        return [entry.event for entry in self.results if entry.event.status is not ResultStatus.COMPLETED]

    def repeated_results(self) -> dict[str, int]:
        """Tasks whose result was written more than once, and how often."""
        return {task: len(each) for task, each in self.results_of().items() if len(each) > 1}

    # --- what was asked and what was written down ----------------------------------------------------

    @property
    def unknown(self) -> list[CallCompleted]:
        """Calls whose outcome was lost."""
        return [one.event for one in self.calls if one.event.status is CallStatus.OUTCOME_UNKNOWN]

    def ended(self) -> dict[str, list[Entry[CallCompleted]]]:
        """By call id, the records of calls that ended with an outcome."""
        found: dict[str, list[Entry[CallCompleted]]] = defaultdict(list)
        for entry in self.calls:
            if entry.event.status is not CallStatus.OUTCOME_UNKNOWN:
                found[entry.event.call_id].append(entry)
        return found

    def repeated_events(self) -> dict[str, int]:
        """Ids of `call.completed` that occur more than once, and how often."""
        counted = Counter(entry.event.event_id for entry in self.calls)
        return {event_id: times for event_id, times in counted.items() if times > 1}

    def asked_again(self) -> dict[str, Sequence[float]]:
        """Idempotency keys that came to a provider more than once, and when."""
        return {key: times for key, times in self.arrivals.items() if len(times) > 1}

    def repeated_without_loss(self) -> dict[str, int]:
        """Tasks with more repeated requests than calls whose outcome is on record as lost."""
        lost = Counter(call.task_id for call in self.unknown)
        task_of = self.task_of_key()
        again = Counter[str]()
        for key, times in self.asked_again().items():
            again[task_of[key]] += len(times) - 1
        return {task: times for task, times in again.items() if times > lost[task]}

    def repeated_without_kill(self) -> dict[str, Sequence[float]]:
        """Keys that were asked for again although no router had been killed in between."""
        return {
            key: times
            for key, times in self.asked_again().items()
            if not all(
                any(first - NOTICED_WITHIN_S <= killed <= second for killed in self.kills)
                for first, second in pairwise(times)
            )
        }

    def asked_after_answer(self) -> dict[str, float]:
        """Keys that were asked for when the outcome of that very call was on record; by how many seconds."""
        ended = self.ended()
        late = {
            key: times[-1] - min(entry.at for entry in ended[key])
            for key, times in self.arrivals.items()
            if key in ended
        }
        return {key: seconds for key, seconds in late.items() if seconds > 0}

    def asked_after_result(self) -> dict[str, float]:
        """Tasks for which a provider was asked after their result was on record; by how many seconds."""
        results, task_of = self.results_of(), self.task_of_key()
        late = {
            task_of[key]: times[-1] - results[task_of[key]][0].at
            for key, times in self.arrivals.items()
            if task_of[key] in results
        }
        return {task: seconds for task, seconds in late.items() if seconds > 0}

    def asked_before_decision(self) -> list[str]:
        """Keys that came to a provider before the task's decision was on record."""
        decided = {entry.event.task_id: entry.at for entry in reversed(self.routed)}
        task_of = self.task_of_key()
        return [key for key, times in self.arrivals.items() if times[0] < decided[task_of[key]]]

    def written_after_result(self) -> list[str]:
        """Tasks with a call that lies on its topic after the task's result was written."""
        first = {task: entries[0].at for task, entries in self.results_of().items()}
        return [one.event.task_id for one in self.calls if one.at > first.get(one.event.task_id, one.at)]

    def unrecorded_requests(self) -> list[str]:
        """Tasks for which providers were asked more often than is written down."""
        task_of = self.task_of_key()
        asked = Counter[str]()
        for key, times in self.arrivals.items():
            asked[task_of[key]] += len(times)
        return [task for task, times in asked.items() if times > len(self.by_task[task])]

    def task_of_key(self) -> dict[str, str]:
        """Task by idempotency key, over all calls that the plans allow."""
        return {
            call_id_of(one.event.decision_id, step, attempt): one.event.task_id
            for one in self.routed
            for step in range(len(one.event.plan.steps))
            for attempt in range(10)
        }

    def spend(self) -> tuple[int, int]:
        """Number and cost in nano-dollars of all distinct calls."""
        distinct = {entry.event.event_id: entry.event.cost_nusd for entry in self.calls}
        return len(distinct), sum(distinct.values())

    def spend_by_model(self) -> dict[str, tuple[int, int]]:
        """Number and cost in nano-dollars of all distinct calls of each model."""
        distinct = {entry.event.event_id: entry.event for entry in self.calls}
        calls, cost = Counter[str](), Counter[str]()
        for call in distinct.values():
            calls[call.model] += 1
            cost[call.model] += call.cost_nusd
        return {model: (calls[model], cost[model]) for model in calls}

    def covers(self) -> dict[int, int]:
        """Highest offset of `call.completed` in each partition."""
        highest: dict[int, int] = {}
        for entry in self.calls:
            highest[entry.partition] = max(entry.offset, highest.get(entry.partition, -1))
        return highest


async def audit(of: Cluster) -> Audit:
    """Read the topics to their ends."""
    bus = of.bus
    return Audit(
        submitted=tuple(of.submitted),
        arrivals={key: tuple(times) for key, times in of.provider.arrivals.items()},
        kills=tuple(of.kills),
        routed=await _entries(of, catalog.TASK_ROUTED, TaskRouted),
        calls=await _entries(of, catalog.CALL_COMPLETED, CallCompleted),
        results=await _entries(of, catalog.TASK_COMPLETED, TaskCompleted),
        dead_letters=await bus.count(catalog.TASK_FAILED),
    )


async def _entries(of: Cluster, topic: Topic, kind: Any) -> list[Entry[Any]]:
    entries = []
    for record in await of.bus.records(topic):
        event = codec.decode(record.value, kind)
        assert isinstance(event, kind), f"{topic.name} {record.partition}:{record.offset}: {event}"
        ce_id = header(record.headers, "ce_id")
        entries.append(Entry(record.partition, record.offset, record.timestamp / 1000, ce_id, event))
    return entries
