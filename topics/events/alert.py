"""An alert: something an operator wants to know, opened and resolved."""

from dataclasses import dataclass

from topics.events.vocabulary import JsonObject, OpenEnum


class AlertState(OpenEnum):
    """Whether it begins or ends."""

    OPEN = "open"
    RESOLVED = "resolved"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class AlertRaised:
    """The value of `alert.raised`."""

    alert_id: str
    kind: str
    """budget_threshold, breaker, premium_share, quality_floor, ..."""
    subject: str
    """What it is about: a model, a budget, a tenant. The record's key."""
    state: AlertState
    raised_at: float
    message: str
    values: JsonObject | None = None
