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
from topics import codec
from topics.catalog import CALL_COMPLETED, TASK_COMPLETED, TASK_FAILED, TASK_ROUTED, Topic
from topics.events import CallCompleted, ResultStatus, TaskCompleted, TaskRouted
from topics.headers import SOURCE_HEADER, header

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger(__name__)

OUTPUTS: tuple[Topic, ...] = (TASK_ROUTED, CALL_COMPLETED, TASK_COMPLETED, TASK_FAILED)
"""Topics whose tails tell how far a task came."""
METADATA_VERSION = 1


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
    tails: Mapping[str, int] = field(default_factory=dict)
    """Where these tails began; kept in commits until all tasks found here are committed."""
    ends: dict[str, int] = field(default_factory=dict)
    """Per output topic, the offset after its last record."""


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
    calls: dict[int, list[CallCompleted]] = {partition: [] for partition in wanted}
    async for where, records in read_to_end(options, starts):
        topic, recovery = by_name[where.topic], recoveries[where.partition]
        recovery.ends[topic.name] = max(recovery.ends[topic.name], records[-1].offset + 1)
        for record in records:
            _note(topic, record, recovery, calls[where.partition], decide_only=decide_only)
    for partition, recovery in recoveries.items():
        _assemble(recovery, calls[partition])
    return recoveries


def _note(
    topic: Topic,
    record: Any,  # noqa: ANN401 - aiokafka's record
    recovery: Recovery,
    calls: list[CallCompleted],
    *,
    decide_only: bool,
) -> None:
    source = header(record.headers, SOURCE_HEADER)
    if source is None:
        return
    if topic in {TASK_COMPLETED, TASK_FAILED}:
        recovery.finished[source] = _answered_id(record.value) if topic is TASK_COMPLETED else ""
        return
    event: CallCompleted | TaskRouted | codec.Rejection
    if topic is CALL_COMPLETED:
        event = codec.decode(record.value, CallCompleted)
    else:
        event = codec.decode(record.value, TaskRouted)
    if isinstance(event, codec.Rejection):
        log.warning("takeover.unreadable", topic=record.topic, offset=record.offset, error=event.message)
    elif isinstance(event, CallCompleted):
        calls.append(event)
    elif decide_only:
        recovery.finished[source] = event.task_id
    else:
        recovery.open.setdefault(source, OpenTask(event))


def _answered_id(value: bytes | None) -> str:
    result = codec.decode(value, TaskCompleted)
    if isinstance(result, codec.Rejection) or result.status is not ResultStatus.COMPLETED:
        return ""
    return result.task_id


def _assemble(recovery: Recovery, calls: list[CallCompleted]) -> None:
    for source in recovery.finished:
        recovery.open.pop(source, None)
    for call in calls:
        if (task := recovery.open.get(call.source)) is not None:
            task.calls.append(call)
