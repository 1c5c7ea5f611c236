"""What goes into a call and what comes out of it, on either side of a wire format.

A format turns a `CallRequest` into a `WireRequest` and a `WireResponse` into a `CallOutcome`; the transport
turns a `WireRequest` into a `WireResponse`. Nothing here does I/O or knows a format. No `repr` shows a
prompt, an answer or a header's value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.registry import RegisteredModel
    from topics.events import CallStatus, RateLimits, Task, Usage
    from topics.events.vocabulary import JsonObject


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One request to one model."""

    call_id: str
    """Also the idempotency key."""
    model: RegisteredModel = field(repr=False)
    task: Task = field(repr=False)
    max_tokens: int
    """Limit of the answer in tokens; what the reservation was computed with."""
    timeout_s: float
    """Longest the call may take in all; the provider's own `timeout_s` cuts it where that is shorter."""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended. A failure is an outcome like any other."""

    status: CallStatus
    retryable: bool = False
    """The same request may succeed at the same model when it is sent again."""
    latency_s: float = 0.0
    usage: Usage | None = None
    """None: the response did not say, or what it said made no sense."""
    content: str | None = field(default=None, repr=False)
    """The answer's text. Also kept where the answer is cut or refused; only `ok` makes it one to use."""
    tool_calls: tuple[JsonObject, ...] | None = field(default=None, repr=False)
    finish_reason: str | None = None
    http_status: int | None = None
    """None: no response came."""
    error: str | None = None
    """`<status>:<provider's code or reason>`, never content; None exactly when the status is `ok`."""
    request_id: str | None = None
    response_model: str | None = None
    ttft_s: float | None = None
    """None: the answer came in one piece."""
    rate_limits: RateLimits | None = None
    retry_after_s: float | None = None
    reached: bool = True
    """False: the request cannot have reached the provider, so nothing can have been charged."""


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request of some wire format, without address and credentials."""

    path: str
    """Appended to the provider's base URL."""
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WireResponse:
    """A response, read to its end."""

    http_status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    body: bytes = field(repr=False)
    latency_s: float
    received_at: float
    """Seconds since the epoch."""
