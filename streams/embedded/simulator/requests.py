"""What a call asks for and what it gets, in no wire format: the words between engine and fronts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from streams.embedded.simulator.buckets import Headroom
    from streams.embedded.simulator.incidents import Fault
    from streams.embedded.simulator.models import SimulatedModel


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A call to a model."""

    model: str
    messages: tuple[str, ...]
    """The text of each message, in order."""
    question: str
    """The text of the last message of the user; what the answer is about."""
    other_tokens: int = 0
    """Input tokens that are no text: images, tool definitions."""
    max_output_tokens: int | None = None
    shape: Literal["text", "json"] = "text"
    schema: dict[str, Any] | None = None
    """JSON Schema that a JSON answer must match."""
    api_key: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call; the cached ones are part of the input tokens."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    reply_id: str
    """Unique; what the wire format makes an id of."""
    created_s: int
    """Unix time."""
    text: str
    usage: Usage
    finish: Literal["stop", "length"]
    refused: bool
    recorded: bool
    """It comes from an outcome table."""


RejectionKind = Literal[
    "unknown_model",
    "unauthorized",
    "context_too_long",
    "bad_schema",
    "key_reused",
    "requests_throttled",
    "tokens_throttled",
    "server_error",
]


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why there is no answer."""

    kind: RejectionKind
    message: str
    status: int | None = None
    """Set where an incident decides it; else the wire format's status for the kind."""
    retry_after_s: float | None = None


@dataclass(slots=True)
class Turn:
    """One call from its arrival to its end: what to send, and when. Times are already scaled."""

    model: SimulatedModel | None
    reply: Reply | None = None
    rejection: Rejection | None = None
    fault: Fault | None = None
    """outage without a status, garbage or truncate: how to spoil what is sent."""
    ttft_s: float = 0.0
    """From arrival to the first token, or to the rejection."""
    total_s: float = 0.0
    """From arrival to the last token."""
    headroom: tuple[Headroom, ...] = ()
    repeated: bool = False
    """Answered before, for the same idempotency key."""
