"""A call: one HTTP request to one model for one step of a plan. The ledger of record."""

from dataclasses import dataclass
from typing import Any

from topics.events.vocabulary import JsonObject, OpenEnum


class CallStatus(OpenEnum):
    """How a call ended: `ok`, or the class of its error."""

    OK = "ok"
    THROTTLED = "throttled"
    TIMEOUT = "timeout"
    NETWORK = "network"
    SERVER = "server"
    CONTEXT_TOO_LONG = "context_too_long"
    CONTENT_REFUSED = "content_refused"
    AUTH = "auth"
    CLIENT = "client"
    BAD_RESPONSE = "bad_response"
    OUTCOME_UNKNOWN = "outcome_unknown"
    """The router died with the call in flight; it counts as spent at its reservation."""
    UNKNOWN = "unknown"


class CostSource(OpenEnum):
    """Where a call's cost comes from."""

    USAGE = "usage"
    """Usage in the response, at the registry's prices."""
    ESTIMATE = "estimate"
    """The response had no usage: tokens were estimated."""
    RESERVATION = "reservation"
    """Nothing is known of the outcome: the worst case."""
    RESULT = "result"
    """The call's own event was lost in a crash, and made again from the task's result."""
    NONE = "none"
    """The call failed before the provider could have charged for it."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    """Part of `input_tokens`."""
    output_tokens: int = 0
    reasoning_tokens: int = 0
    """Part of `output_tokens`."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What the provider's headers said about headroom; None where they said nothing."""

    limit_requests: int | None = None
    remaining_requests: int | None = None
    reset_requests_s: float | None = None
    limit_tokens: int | None = None
    remaining_tokens: int | None = None
    reset_tokens_s: float | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """One check of the answer."""

    name: str
    passed: bool | None
    """None: the check could not tell."""
    reason: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class CallCompleted:
    """The value of `call.completed`. One for every call that was started."""

    event_id: str
    """UUIDv5 of `call_id` and `repeat`, and of whether the outcome is unknown."""
    call_id: str
    """UUIDv5 of decision, step and attempt: a call repeated after a crash has the same one."""
    task_id: str
    source: str
    """`topic:partition:offset` of the task."""
    decision_id: str
    model: str
    provider: str
    step: int
    """Index into the plan's steps, from 0."""
    attempt: int
    """Retries of the same step, from 0."""
    status: CallStatus
    started_at: float
    """Seconds since the epoch."""
    latency_s: float
    cost_nusd: int
    """Cost in nano-dollars."""
    cost_source: CostSource
    usage: Usage
    repeat: int = 0
    """How often this call had been started before with its outcome lost to a crash."""
    will_retry: bool = False
    """The same step is tried again; otherwise the plan moves on. A router that takes over reads it here."""
    reserved_nusd: int = 0
    tenant: str = "default"
    type: str = "general"
    tags: tuple[str, ...] = ()
    tier: str = "unknown"
    http_status: int | None = None
    error: str | None = None
    """Error class and provider's code, never content."""
    finish_reason: str | None = None
    content: str | None = None
    """The answer's text: kept here so that a router that takes the task over need not ask again."""
    tool_calls: tuple[JsonObject, ...] | None = None
    response_model: str | None = None
    request_id: str | None = None
    """The provider's id of the request."""
    ttft_s: float | None = None
    rate_limits: RateLimits | None = None
    checks: tuple[CheckOutcome, ...] = ()
    price_source: str | None = None
    """`configured`, or the catalogue of prices and its version."""
    extra: dict[str, Any] | None = None
