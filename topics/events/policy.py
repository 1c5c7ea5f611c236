"""A policy as a router ran with it, so that its decisions can be made again."""

from dataclasses import dataclass

from topics.events.vocabulary import JsonObject


@dataclass(frozen=True, slots=True)
class PolicyPublished:
    """The value of `policy`. Key: the fingerprint."""

    fingerprint: str
    published_at: float
    policy: JsonObject
    registry: JsonObject
    """Models with prices and capabilities; no secrets, no addresses."""
