"""What a decision may know of the world: plain numbers, taken at one moment. The reading side fills it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class BreakerState(StrEnum):
    """Whether a model may be called."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    """A few tasks try it."""


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """One model in the health window (five minutes)."""

    breaker: BreakerState
    calls: int
    failures: int


@dataclass(frozen=True, slots=True)
class World:
    """The state that enters a decision."""

    age_s: float | None = None
    """How old the merged view is; None when there is none."""
    health: Mapping[str, ModelHealth] = field(default_factory=dict)
    """By model name; a model that is missing counts as healthy."""
