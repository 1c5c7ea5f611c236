"""What the router writes: records for decisions, calls, results and dead letters, each in the task's partition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.bus.producer import Outgoing
from topics import catalog, codec
from topics.headers import Source, dead_letter_headers, derived_id, event_headers, trace_parent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from topics.catalog import Topic
    from topics.codec import Rejection
    from topics.events import CallCompleted, PolicyPublished, TaskCompleted, TaskRouted

PRODUCER = "sluice/router"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A task's record as it was read."""

    source: Source
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp_s: float
    traceparent: str | None


class Outputs:
    """Builds outgoing records. Holds nothing but the names of the topics."""

    def __init__(self, prefix: str) -> None:
        self._names = {topic.name: topic.full_name(prefix) for topic in catalog.TOPICS}

    def routed(self, decision: TaskRouted, of: Incoming) -> Outgoing:
        """The decision on a task."""
        return self._event(
            catalog.TASK_ROUTED, decision, decision.decision_id, decision.task_id, decision.decided_at, of
        )

    def call(self, call: CallCompleted, of: Incoming) -> Outgoing:
        """A call that ended."""
        ended = call.started_at + call.latency_s
        return self._event(catalog.CALL_COMPLETED, call, call.event_id, call.task_id, ended, of)

    def completed(self, result: TaskCompleted, of: Incoming) -> Outgoing:
        """The result of a task."""
        return self._event(
            catalog.TASK_COMPLETED, result, result.result_id, result.task_id, result.completed_at, of
        )

    def dead_letter(self, rejection: Rejection, of: Incoming) -> Outgoing:
        """Original key, value and headers untouched, plus why."""
        headers = dead_letter_headers(
            of.headers,
            source=of.source,
            exception=rejection.error,
            message=rejection.message,
            stage=rejection.stage.value,
        )
        name = self._names[catalog.TASK_FAILED.name]
        return Outgoing(name, of.source.partition, of.key, of.value, headers)

    def policy(self, published: PolicyPublished) -> Outgoing:
        """The policy this router runs with."""
        key = published.fingerprint
        return Outgoing(
            self._names[catalog.POLICY.name],
            0,
            key.encode(),
            codec.encode(published),
            event_headers(
                event_id=derived_id("policy", key),
                event_type=catalog.POLICY.name,
                producer=PRODUCER,
                at=published.published_at,
            ),
        )

    def _event(
        self, topic: Topic, event: object, event_id: str, task_id: str, at: float, of: Incoming
    ) -> Outgoing:
        source = str(of.source)
        return Outgoing(
            self._names[topic.name],
            of.source.partition,
            task_id.encode(),
            codec.encode(event),
            event_headers(
                event_id=event_id,
                event_type=topic.name,
                producer=PRODUCER,
                at=at,
                source=source,
                traceparent=trace_parent(of.traceparent, source, event_id),
            ),
        )
