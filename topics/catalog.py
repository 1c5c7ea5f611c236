"""Every topic of Sluice: name, key, partitions, retention, event type.

The one place that names topics. Provisioning, the drift check, AsyncAPI, JSON Schemas and the table in the
documentation are made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import get_args

from topics import events

DEFAULT_PREFIX = "sluice"
HOUR_S = 3600
DAY_S = 24 * HOUR_S
EVENT_BYTES = 8 * 1024 * 1024
"""Largest record on topics of tasks and results."""
DEAD_LETTER_BYTES = EVENT_BYTES + 512 * 1024
"""A dead letter is the largest possible task plus its headers."""


class Cleanup(StrEnum):
    """Kafka's `cleanup.policy`."""

    DELETE = "delete"
    COMPACT = "compact"


class Spread(StrEnum):
    """How many partitions a topic has."""

    PER_TASK = "per-task"
    """As many as `kafka.partitions`, equal for all of them: partition p of one belongs to p of the others."""
    SINGLE = "single"


class Party(StrEnum):
    """Who writes a topic or reads it."""

    ROUTER = "router"
    TABLES = "tables"
    OUTSIDE = "your services"
    """Anything but the two roles: your programs, the gateway, the command line."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic, without the prefix."""

    name: str
    """`<entity>.<event>.v<N>`; also the `ce_type` of its events."""
    event: type
    key: str
    """What the key is, for a person."""
    content: str
    writers: tuple[Party, ...]
    readers: tuple[Party, ...]
    cleanup: Cleanup = Cleanup.DELETE
    retention_s: int | None = None
    """None: kept for ever (compacted)."""
    spread: Spread = Spread.PER_TASK
    max_message_bytes: int = EVENT_BYTES
    internal: bool = False
    """Belongs to a stream processor; not part of the contract with users."""

    @property
    def event_types(self) -> tuple[type, ...]:
        """The event types its values may have: one, or those of the union."""
        return get_args(self.event) or (self.event,)

    @property
    def is_json(self) -> bool:
        """Whether its values are JSON; dead letters keep whatever bytes came."""
        return self.event is not events.DeadLetter

    def full_name(self, prefix: str = DEFAULT_PREFIX) -> str:
        """The topic's name on the broker."""
        return f"{prefix}.{self.name}"

    def partitions(self, per_task: int) -> int:
        """Number of partitions where per-task topics have `per_task`."""
        return per_task if self.spread is Spread.PER_TASK else 1

    def configs(self) -> dict[str, str]:
        """Broker settings of the topic, as Kafka writes them."""
        retention = -1 if self.retention_s is None else self.retention_s * 1000
        return {
            "cleanup.policy": self.cleanup.value,
            "retention.ms": str(retention),
            "max.message.bytes": str(self.max_message_bytes),
        }


TASK_SUBMITTED = Topic(
    "task.submitted.v1",
    events.Task,
    "producer's choice, else task_id",
    "the task",
    writers=(Party.OUTSIDE,),
    readers=(Party.ROUTER,),
    retention_s=7 * DAY_S,
)
TASK_SUBMITTED_BATCH = Topic(
    "task.submitted.batch.v1",
    events.Task,
    "producer's choice, else task_id",
    "tasks that can wait",
    writers=(Party.OUTSIDE,),
    readers=(Party.ROUTER,),
    retention_s=7 * DAY_S,
)
TASK_ROUTED = Topic(
    "task.routed.v1",
    events.TaskRouted,
    "task_id",
    "the decision, durable before any money is spent",
    writers=(Party.ROUTER,),
    readers=(Party.ROUTER, Party.OUTSIDE),
    retention_s=30 * DAY_S,
)
CALL_COMPLETED = Topic(
    "call.completed.v1",
    events.CallCompleted,
    "task_id",
    "one per call: tokens, cost, latency, status, rate-limit headers, check outcomes; the ledger of record",
    writers=(Party.ROUTER, Party.OUTSIDE),
    readers=(Party.ROUTER, Party.TABLES, Party.OUTSIDE),
    retention_s=30 * DAY_S,
)
TASK_COMPLETED = Topic(
    "task.completed.v1",
    events.TaskCompleted,
    "task_id",
    "the result",
    writers=(Party.ROUTER,),
    readers=(Party.ROUTER, Party.OUTSIDE),
    retention_s=30 * DAY_S,
)
TASK_FAILED = Topic(
    "task.failed.v1",
    events.DeadLetter,
    "original key",
    "dead letters: original key, value and headers untouched, plus why",
    writers=(Party.ROUTER, Party.TABLES),
    readers=(Party.OUTSIDE,),
    retention_s=30 * DAY_S,
    max_message_bytes=DEAD_LETTER_BYTES,
)
TASK_DEFERRED = Topic(
    "task.deferred.v1",
    events.Task,
    "original key",
    "tasks waiting for headroom, budget or a time",
    writers=(Party.ROUTER,),
    readers=(Party.ROUTER,),
    retention_s=7 * DAY_S,
)
FEEDBACK_SUBMITTED = Topic(
    "feedback.submitted.v1",
    events.FeedbackSubmitted,
    "task_id",
    "later verdicts",
    writers=(Party.OUTSIDE,),
    readers=(Party.TABLES,),
    retention_s=90 * DAY_S,
)
REVIEW_REQUESTED = Topic(
    "review.requested.v1",
    events.ReviewRequested,
    "task_id",
    "results sampled for a human",
    writers=(Party.ROUTER,),
    readers=(Party.OUTSIDE,),
    retention_s=30 * DAY_S,
)
ALERT_RAISED = Topic(
    "alert.raised.v1",
    events.AlertRaised,
    "subject",
    "budget thresholds, breaker opened and closed, premium share, quality below its floor",
    writers=(Party.TABLES,),
    readers=(Party.OUTSIDE,),
    retention_s=30 * DAY_S,
)
STATE = Topic(
    "state.v1",
    events.SpendPartial | events.HealthPartial,  # type: ignore[arg-type]  # a union: the key says which
    "<kind>|<scope>|<partition>",
    "snapshots of the tables",
    writers=(Party.TABLES,),
    readers=(Party.ROUTER, Party.OUTSIDE),
    cleanup=Cleanup.COMPACT,
)
POLICY = Topic(
    "policy.v1",
    events.PolicyPublished,
    "fingerprint",
    "every policy and registry a router has run with, secrets left out",
    writers=(Party.ROUTER,),
    readers=(Party.ROUTER, Party.OUTSIDE),
    cleanup=Cleanup.COMPACT,
    spread=Spread.SINGLE,
)
LEASE_REQUESTED = Topic(
    "lease.requested.v1",
    events.LeaseRequested,
    "limit",
    "the ledger's conversation: request, renew, settle",
    writers=(Party.ROUTER,),
    readers=(Party.TABLES,),
    retention_s=HOUR_S,
)
LEASE_GRANTED = Topic(
    "lease.granted.v1",
    events.LeaseGranted,
    "limit",
    "the ledger's conversation: grant",
    writers=(Party.TABLES,),
    readers=(Party.ROUTER,),
    retention_s=HOUR_S,
)
TABLES_CHANGELOG = Topic(
    "tables-partials-changelog",
    events.SpendPartial | events.HealthPartial,  # type: ignore[arg-type]  # a union: the key says which
    "[partition, kind, scope]",
    "changelog of the tables (Faust)",
    writers=(Party.TABLES,),
    readers=(Party.TABLES,),
    cleanup=Cleanup.COMPACT,
    internal=True,
)

TOPICS: tuple[Topic, ...] = (
    TASK_SUBMITTED,
    TASK_SUBMITTED_BATCH,
    TASK_ROUTED,
    CALL_COMPLETED,
    TASK_COMPLETED,
    TASK_FAILED,
    TASK_DEFERRED,
    FEEDBACK_SUBMITTED,
    REVIEW_REQUESTED,
    ALERT_RAISED,
    STATE,
    POLICY,
    LEASE_REQUESTED,
    LEASE_GRANTED,
    TABLES_CHANGELOG,
)
