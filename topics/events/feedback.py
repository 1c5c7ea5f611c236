"""Feedback: anything said later about a result."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from topics.events.task import Instant, Name
from topics.events.vocabulary import JsonObject, OpenEnum


class FeedbackKind(OpenEnum):
    """Who or what speaks."""

    RATING = "rating"
    REVIEW = "review"
    METRIC = "metric"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FeedbackSubmitted:
    """The value of `feedback.submitted`. Any producer may write it, minutes or weeks later."""

    task_id: Name
    kind: FeedbackKind = FeedbackKind.RATING
    score: Annotated[float, Meta(ge=0, le=1)] | None = None
    """0 is useless, 1 is perfect."""
    passed: bool | None = None
    note: str | None = None
    source: str | None = None
    """Who says so: a user, a reviewer, a system."""
    submitted_at: Instant | None = None
    metadata: JsonObject | None = None
