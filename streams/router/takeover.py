"""Taking a partition over: what its former owner finished and what it left open.

The metadata of an offset commit names, per output topic, the offset from which events of uncommitted tasks may
lie (docs/design.md, "Taking a partition over"). This module writes and reads that metadata, and reads those tails.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from aiokafka import TopicPartition

from streams.bus.tail import read_to_end
from streams.registry.prices import NUSD_PER_USD
from topics import codec
from topics.catalog import CALL_COMPLETED, TASK_COMPLETED, TASK_FAILED, TASK_ROUTED, Topic
from topics.events import (
    CallCompleted,
    CallStatus,
    CostSource,
    ResultStatus,
    TaskCompleted,
    TaskRouted,
    Usage,
)
from topics.headers import SOURCE_HEADER, call_event_id_of, call_id_of, header

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger(__name__)

OUTPUTS: tuple[Topic, ...] = (TASK_ROUTED, CALL_COMPLETED, TASK_COMPLETED, TASK_FAILED)
"""Topics whose tails tell how far a task came."""
METADATA_VERSION = 1
MOST_ATTEMPTS = 10
"""What the settings allow for `retry.max_attempts`."""


@dataclass(slots=True)
class OpenTask:
    """A task that was routed and has no result: its plan, and the calls on record."""

    decision: TaskRouted
    calls: list[CallCompleted] = field(default_factory=list)


@dataclass(slots=True)
class Recovery:
    """What the tails of one partition say."""

    finished: dict[str, str] = field(default_factory=dict)
    """By source, tasks with a durable result or dead letter. The value is the task's id where it was answered,
    and empty otherwise: such a task may be submitted again."""
    open: dict[str, OpenTask] = field(default_factory=dict)
    """By source."""
    unrecorded: dict[str, CallCompleted] = field(default_factory=dict)
    """By source, the last call of a finished task whose own event was lost: result and call are written together,
    and a crash can keep the one without the other."""
    tails: Mapping[str, int] = field(default_factory=dict)
    """Where these tails began; kept in commits until all tasks found here are committed."""
    ends: dict[str, int] = field(default_factory=dict)
    """Per output topic, the offset after its last record."""


@dataclass(slots=True)
class _Tail:
    """The events of one partition's tails, as they were read."""

    decisions: dict[str, TaskRouted] = field(default_factory=dict)
    calls: dict[str, list[CallCompleted]] = field(default_factory=dict)
    results: dict[str, TaskCompleted] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)


def metadata_of(tails: Mapping[str, int]) -> str:
    """Commit metadata that names the tails."""
    return orjson.dumps({"v": METADATA_VERSION, "tails": tails}).decode()


def tails_of(metadata: str | None) -> dict[str, int] | None:
    """The tails that commit metadata names; None where another program committed."""
    try:
        parsed = orjson.loads(metadata or "")
        tails = parsed["tails"]
        return {str(topic): int(offset) for topic, offset in tails.items()}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return None


async def recover(
    options: Mapping[str, Any],
    prefix: str,
    wanted: Mapping[int, Mapping[str, int]],
    ends: Mapping[int, Mapping[str, int]],
    *,
    decide_only: bool,
) -> dict[int, Recovery]:
    """Read the tails of the given partitions.

    Args:
        options: of `client_options`.
        prefix: of the topics.
        wanted: per partition number, where the tail of each output topic begins.
        ends: per partition number, the end of each output topic.
        decide_only: a routed task counts as finished.
    """
    recoveries = {p: Recovery(tails=dict(tails), ends=dict(ends[p])) for p, tails in wanted.items()}
    starts: dict[TopicPartition, int | None] = {
        TopicPartition(topic.full_name(prefix), partition): tails.get(topic.name, ends[partition][topic.name])
        for partition, tails in wanted.items()
        for topic in OUTPUTS
    }
    by_name = {topic.full_name(prefix): topic for topic in OUTPUTS}
    read = {partition: _Tail() for partition in wanted}
    async for where, records in read_to_end(options, starts):
        topic, recovery = by_name[where.topic], recoveries[where.partition]
        recovery.ends[topic.name] = max(recovery.ends[topic.name], records[-1].offset + 1)
        for record in records:
            _note(topic, record, read[where.partition])
    for partition, recovery in recoveries.items():
        _assemble(recovery, read[partition], decide_only=decide_only)
    return recoveries


def _note(topic: Topic, record: Any, tail: _Tail) -> None:  # noqa: ANN401 - aiokafka's record
    source = header(record.headers, SOURCE_HEADER)
    if source is None:
        return
    if topic is TASK_FAILED:
        tail.dead.add(source)
        return
    event: CallCompleted | TaskCompleted | TaskRouted | codec.Rejection
    if topic is CALL_COMPLETED:
        event = codec.decode(record.value, CallCompleted)
    elif topic is TASK_COMPLETED:
        event = codec.decode(record.value, TaskCompleted)
    else:
        event = codec.decode(record.value, TaskRouted)
    match event:
        case codec.Rejection():
            log.warning("takeover.unreadable", topic=record.topic, offset=record.offset, error=event.message)
        case CallCompleted():
            tail.calls.setdefault(source, []).append(event)
        case TaskCompleted():
            tail.results.setdefault(source, event)
        case TaskRouted():
            tail.decisions.setdefault(source, event)


def _assemble(recovery: Recovery, tail: _Tail, *, decide_only: bool) -> None:
    recovery.finished = dict.fromkeys(tail.dead, "")
    for source, result in tail.results.items():
        recovery.finished[source] = result.task_id if result.status is ResultStatus.COMPLETED else ""
        decision = tail.decisions.get(source)
        if decision and (lost := _unrecorded(decision, result, tail.calls.get(source, []))):
            recovery.unrecorded[source] = lost
    for source, decision in tail.decisions.items():
        if source in recovery.finished:
            continue
        if decide_only:
            recovery.finished[source] = decision.task_id
        else:
            recovery.open[source] = OpenTask(decision, tail.calls.get(source, []))


def _unrecorded(
    decision: TaskRouted, result: TaskCompleted, calls: list[CallCompleted]
) -> CallCompleted | None:
    """The last call of a result, made again from it, where the calls on record lack it."""
    if not result.calls or len(calls) >= len(result.calls):
        return None
    last = result.calls[-1]
    place = _place_of(decision, last.call_id)
    if place is None:
        return None
    step, attempt = place
    repeat = sum(call.call_id == last.call_id for call in calls)
    spent = [call.usage for call in calls]
    features = decision.features
    return CallCompleted(
        event_id=call_event_id_of(last.call_id, repeat),
        call_id=last.call_id,
        task_id=result.task_id,
        source=result.source,
        decision_id=decision.decision_id,
        model=last.model,
        provider="unknown",
        step=step,
        attempt=attempt,
        status=CallStatus(last.status),
        started_at=result.completed_at - last.latency_s,
        latency_s=last.latency_s,
        cost_nusd=round(last.cost_usd * NUSD_PER_USD),
        cost_source=CostSource.RESULT,
        usage=Usage(
            input_tokens=result.usage.input_tokens - sum(u.input_tokens for u in spent),
            cached_input_tokens=result.usage.cached_input_tokens - sum(u.cached_input_tokens for u in spent),
            output_tokens=result.usage.output_tokens - sum(u.output_tokens for u in spent),
            reasoning_tokens=result.usage.reasoning_tokens - sum(u.reasoning_tokens for u in spent),
        ),
        repeat=repeat,
        tenant=features.tenant,
        type=features.type,
        tags=features.tags,
        tier=result.tier or "unknown",
    )


def _place_of(decision: TaskRouted, call_id: str) -> tuple[int, int] | None:
    """Step and attempt of a call, found by its id."""
    for step in range(len(decision.plan.steps)):
        for attempt in range(MOST_ATTEMPTS):
            if call_id_of(decision.decision_id, step, attempt) == call_id:
                return step, attempt
    return None
