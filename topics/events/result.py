"""A result: the answer published for a task, or the reason why there is none; and a request to review one."""

from dataclasses import dataclass

from topics.events.call import Usage
from topics.events.vocabulary import JsonObject, OpenEnum


class ResultStatus(OpenEnum):
    """How a task ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said."""

    content: str | None
    tool_calls: tuple[JsonObject, ...] | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task has no answer."""

    code: str
    """Stable, for programs: no_eligible_model, calls_failed, deadline_exceeded, ..."""
    message: str
    """For a person: what happened and what to do."""
    retryable: bool = False
    """Whether the same task may well succeed later."""


@dataclass(frozen=True, slots=True)
class CallSummary:
    """One call of the task, as told to the consumer."""

    call_id: str
    model: str
    status: str
    cost_usd: float
    latency_s: float


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class TaskCompleted:
    """The value of `task.completed`. Exactly one distinct `result_id` per submitted task and revision."""

    result_id: str
    """UUIDv5 of decision and revision."""
    task_id: str
    source: str
    status: ResultStatus
    decision_id: str
    completed_at: float
    """Seconds since the epoch."""
    type: str
    tenant: str
    answer: Answer | None = None
    failure: Failure | None = None
    model: str | None = None
    """The model whose answer this is."""
    tier: str | None = None
    cost_usd: float = 0.0
    """All calls of the task."""
    baseline_usd: float = 0.0
    """What the answering call's tokens cost at the prices of the registry's best model; 0 without an answer."""
    usage: Usage = NO_USAGE
    """Sum over all calls."""
    calls: tuple[CallSummary, ...] = ()
    latency_s: float = 0.0
    """From the task's record to this result."""
    revision: int = 1
    metadata: JsonObject | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewRequested:
    """The value of `review.requested`: a result sampled for a person."""

    task_id: str
    result_id: str
    decision_id: str
    requested_at: float
    type: str
    reason: str
    """Why this one: `sampled`, `uncertain`, ..."""
