"""A task: one request for work, as a producer publishes it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from topics.events.vocabulary import JsonObject, OpenEnum

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Instant = Annotated[datetime, Meta(tz=True)]
Positive = Annotated[int, Meta(ge=1, le=10_000_000)]


class Role(OpenEnum):
    """Who speaks in a message; the roles of the chat-completions format."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the conversation, in the chat-completions format."""

    role: Role
    content: str | tuple[JsonObject, ...] | None = None
    """Text, or content parts (`{"type": "text"|"image_url", ...}`)."""
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: tuple[JsonObject, ...] | None = None


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the producer demands of the answer. Hard limits, never traded away."""

    max_cost_usd: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    """Ceiling for all calls of the task together, counted at worst case before a call is made."""
    min_quality: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Floor for the expected quality of the answer, 0 to 1."""
    capabilities: tuple[Name, ...] = ()
    """Capabilities that the model must have beside those that the task itself shows (tools, json, vision)."""
    region: str | None = None
    """Where the data must stay; the model's region must be equal."""


@dataclass(frozen=True, slots=True)
class Task:
    """The value of `task.submitted`. Only `messages` or `prompt` is needed; all else has a default."""

    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    """Short for one user message."""
    task_id: Name | None = None
    """Identity chosen by the producer; without it one is derived from topic, partition and offset."""
    type: Name | None = None
    tenant: Name | None = None
    tags: tuple[Name, ...] = ()
    model: Name | None = None
    """Ask for this model and no other; `auto` or nothing lets Sluice choose."""
    requirements: Requirements = Requirements()
    deadline: Instant | None = None
    """RFC 3339 with an offset; after it no call is started and the task fails."""
    max_tokens: Positive | None = None
    """Limit of the answer, in tokens."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: str | tuple[str, ...] | None = None
    seed: int | None = None
    response_format: JsonObject | None = None
    tools: tuple[JsonObject, ...] | None = None
    tool_choice: str | JsonObject | None = None
    metadata: dict[str, Any] | None = None
    """Anything; returned on the result unread."""
    submitted_at: Instant | None = None
    """When the producer says it submitted; without it the record's timestamp."""

    def conversation(self) -> tuple[Message, ...]:
        """The messages, with `prompt` as the only one where there are none."""
        if self.messages or self.prompt is None:
            return self.messages
        return (Message(role=Role.USER, content=self.prompt),)
