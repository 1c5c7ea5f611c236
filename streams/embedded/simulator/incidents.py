"""Incidents on request: which ones are going on, and what they do to one call.

Knows nothing of HTTP: the front turns a fault into bytes, or into none.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from streams.embedded.simulator.errors import IncidentError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from random import Random

EVERY_MODEL = "*"

Kind = Literal["outage", "errors", "slow", "throttle", "garbage", "truncate"]
Body = Literal["html", "truncated_json", "empty"]
BODIES: tuple[Body, ...] = ("html", "truncated_json", "empty")

_FIRST_ERROR_STATUS, _LAST_STATUS = 400, 599


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that goes wrong with a model for a while.

    Raises:
        ValueError: a number is outside its range.
    """

    model: str
    """Name of the model; `*` for all."""
    kind: Kind
    """outage: the connection is closed, or every call gets `status`. errors: calls get `status` (500).
    slow: everything takes `factor` times as long. throttle: calls get 429. garbage: status 200 and a body
    that is no answer. truncate: the answer ends halfway with finish reason `length`; a stream just ends."""
    rate: float = 1.0
    """Share of calls it hits."""
    factor: float = 10.0
    """slow: how many times as long."""
    duration_s: float | None = None
    """How long it lasts; None until it is deleted."""
    status: int | None = None
    """outage, errors: the status to answer with."""
    retry_after_s: float = 1.0
    """throttle: what the caller is told to wait."""
    body: Body | None = None
    """garbage: which; None takes turns at random."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        problem = None
        if not 0.0 <= self.rate <= 1.0:
            problem = f"rate must be between 0 and 1, not {self.rate:g}"
        elif not 0.0 <= self.factor <= 1e6:  # noqa: PLR2004 - a bound against typing errors, no meaning
            problem = f"factor must be between 0 and 1e6, not {self.factor:g}"
        elif self.duration_s is not None and not self.duration_s > 0:
            problem = f"duration_s must be above 0, not {self.duration_s:g}"
        elif self.status is not None and not _FIRST_ERROR_STATUS <= self.status <= _LAST_STATUS:
            problem = f"status must be between 400 and 599, not {self.status}"
        elif self.retry_after_s < 0:
            problem = f"retry_after_s must not be negative, not {self.retry_after_s:g}"
        if problem:
            raise ValueError(problem)


@dataclass(frozen=True, slots=True)
class Fault:
    """What hits one call."""

    kind: Kind
    status: int | None
    retry_after_s: float
    body: Body


@dataclass(slots=True)
class _Running:
    incident: Incident
    began_s: float

    def remaining_s(self, now: float) -> float | None:
        duration_s = self.incident.duration_s
        return None if duration_s is None else self.began_s + duration_s - now

    def over(self, now: float) -> bool:
        remaining_s = self.remaining_s(now)
        return remaining_s is not None and remaining_s <= 0


def parse_incident(values: object) -> Incident:
    """From what somebody sent.

    Raises:
        IncidentError: it is no mapping, a field is unknown or missing, or a value cannot be.
    """
    if not isinstance(values, dict):
        message = 'an incident is an object like {"model": "...", "kind": "outage"}'
        raise IncidentError(message)
    known = {field.name for field in fields(Incident)}
    unknown = sorted(str(key) for key in values if key not in known)
    if unknown:
        message = f"unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        raise IncidentError(message)
    try:
        return msgspec.convert(values, Incident)
    except msgspec.ValidationError as error:
        if "kind" in values and str(error).endswith("`$.kind`"):
            message = f"kind must be one of {', '.join(Kind.__args__)}"  # type: ignore[attr-defined]
            raise IncidentError(message) from error
        raise IncidentError(str(error)) from error


class Incidents:
    """Those that are going on."""

    def __init__(self, models: Collection[str], clock: Callable[[], float]) -> None:
        self._models = models
        self._clock = clock
        self._running: list[_Running] = []

    def begin(self, incident: Incident) -> None:
        """Let it happen from now on, beside those that are already going on.

        Raises:
            IncidentError: no such model.
        """
        if incident.model != EVERY_MODEL and incident.model not in self._models:
            message = f"no model {incident.model}; there are {', '.join(sorted(self._models))}, or * for all"
            raise IncidentError(message)
        self._running.append(_Running(incident, self._clock()))

    def clear(self) -> int:
        """End all; tells how many there were."""
        count = len(self.current())
        self._running.clear()
        return count

    def current(self) -> list[dict[str, Any]]:
        """All that are going on, with the seconds that remain."""
        now = self._clock()
        self._forget(now)
        return [
            {**msgspec.to_builtins(each.incident), "remaining_s": each.remaining_s(now)}
            for each in self._running
        ]

    def hit(self, model: str, random: Random, now: float) -> tuple[Fault | None, float]:
        """What happens to a call now: the first fault that hits it, and how many times as long it takes."""
        if not self._running:
            return None, 1.0
        self._forget(now)
        fault, factor = None, 1.0
        for each in self._running:
            incident = each.incident
            if incident.model not in (model, EVERY_MODEL) or random.random() >= incident.rate:
                continue
            if incident.kind == "slow":
                factor *= incident.factor
            elif fault is None:
                body = random.choice(BODIES) if incident.body is None else incident.body
                fault = Fault(incident.kind, incident.status, incident.retry_after_s, body)
        return fault, factor

    def _forget(self, now: float) -> None:
        self._running = [each for each in self._running if not each.over(now)]
