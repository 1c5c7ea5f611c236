"""What the simulated providers have done so far, counted per model."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.embedded.simulator.models import NUSD_PER_USD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.embedded.simulator.requests import Usage

DISCONNECTED = "disconnected"
"""Stands for the status of a call that got none: the connection was closed, by either side."""


@dataclass(slots=True)
class ModelTally:
    """Counts of one model. Costs are kept in nano-dollars."""

    requests: int = 0
    ok: int = 0
    repeats: int = 0
    """Calls answered again because of their idempotency key; they cost nothing."""
    recorded: int = 0
    """Calls answered from an outcome table."""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_nusd: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    by_status: Counter[str] = field(default_factory=Counter)

    def began(self) -> None:
        """One more call in flight."""
        self.requests += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def ended(self, status: int | None, *, ok: bool) -> None:
        """One call less in flight; None when no status was sent or the caller went away."""
        self.in_flight -= 1
        self.ok += ok
        self.by_status[DISCONNECTED if status is None else str(status)] += 1

    def billed(self, usage: Usage, cost_nusd: int) -> None:
        """A call that the provider charges for."""
        self.input_tokens += usage.input_tokens
        self.cached_tokens += usage.cached_tokens
        self.output_tokens += usage.output_tokens
        self.cost_nusd += cost_nusd

    def told(self) -> dict[str, Any]:
        """As the admin endpoint tells it."""
        return {
            "requests": self.requests,
            "ok": self.ok,
            "by_status": dict(sorted(self.by_status.items())),
            "input_tokens": self.input_tokens,
            "cached_tokens": self.cached_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": self.cost_nusd / NUSD_PER_USD,
            "repeats": self.repeats,
            "recorded": self.recorded,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
        }


class Tally:
    """Counts of all models, and of requests that named none of them."""

    def __init__(self, models: Iterable[str]) -> None:
        self.of = {name: ModelTally() for name in models}
        self.rejected: Counter[str] = Counter()
        """Requests without a known model, by status."""

    def told(self) -> dict[str, Any]:
        """Per model, and the sum over models (the largest in flight apart, which has no sum)."""
        total = ModelTally()
        for each in self.of.values():
            for name in ("requests", "ok", "repeats", "recorded", "input_tokens", "cached_tokens"):
                setattr(total, name, getattr(total, name) + getattr(each, name))
            for name in ("output_tokens", "cost_nusd", "in_flight"):
                setattr(total, name, getattr(total, name) + getattr(each, name))
            total.by_status.update(each.by_status)
        told = total.told()
        del told["max_in_flight"]
        return {
            "models": {name: each.told() for name, each in self.of.items()},
            "total": told,
            "rejected": dict(sorted(self.rejected.items())),
        }

    def reset(self) -> None:
        """Start counting anew; calls in flight stay in flight."""
        self.rejected.clear()
        for name, old in self.of.items():
            new = ModelTally()
            new.in_flight = new.max_in_flight = old.in_flight
            self.of[name] = new
