"""Hard constraints: which models cannot serve which tasks, each with a reason. Arrays of shape (tasks, models)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.decide.world import BreakerState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.decide.features import Submission
    from streams.decide.policy import Mask
    from streams.decide.predictions import Predictions
    from streams.decide.world import World
    from streams.registry import Registry
    from topics.events import Features

PROBE_SHARE = 5
"""While a breaker is half open, one task in so many tries the model."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One reason to exclude models."""

    out: Mask
    """True where the model cannot serve the task."""
    why: Callable[[int, int], str]
    """The reason for (task, model), in words."""


@dataclass(frozen=True, slots=True)
class Eligibility:
    """The outcome of all filters."""

    able: Mask
    """Models that could serve the task if all were healthy."""
    healthy: Mask
    """Models whose breaker lets this task through."""
    filters: Sequence[Filter]

    def reasons(self, task: int, model: int) -> tuple[str, ...]:
        """Why the model is excluded, all reasons."""
        return tuple(f.why(task, model) for f in self.filters if f.out[task, model])


def judge(
    batch: Sequence[Submission],
    features: Sequence[Features],
    predicted: Predictions,
    registry: Registry,
    world: World,
    now: float,
) -> Eligibility:
    """Apply every filter to every task and model."""
    hard = (
        _asked_for_another(batch, registry),
        _capability(features, registry),
        _context_window(features, predicted, registry),
        _region(batch, registry),
        _ceiling(batch, predicted),
        _floor(batch, predicted),
        _too_slow(batch, predicted, now),
    )
    breaker = _breaker(batch, registry, world)
    able = ~np.logical_or.reduce([f.out for f in hard])
    return Eligibility(able=able, healthy=~breaker.out, filters=(*hard, breaker))


def _asked_for_another(batch: Sequence[Submission], registry: Registry) -> Filter:
    out = np.zeros((len(batch), len(registry.models)), dtype=np.bool_)
    for row, item in enumerate(batch):
        if asked := asked_model(item):
            out[row] = True
            if (column := registry.index.get(asked)) is not None:
                out[row, column] = False
    return Filter(out, lambda task, _: f"the task asks for {batch[task].task.model}")


def asked_model(item: Submission) -> str | None:
    """The one model the task insists on, if it does."""
    return None if item.task.model in {None, "auto"} else item.task.model


def _capability(features: Sequence[Features], registry: Registry) -> Filter:
    has = [model.capabilities for model in registry.models]
    out = np.zeros((len(features), len(has)), dtype=np.bool_)
    for row, feature in enumerate(features):
        if feature.capabilities:
            needed = set(feature.capabilities)
            out[row] = [not needed <= able for able in has]

    def why(task: int, model: int) -> str:
        return f"lacks {', '.join(sorted(set(features[task].capabilities) - has[model]))}"

    return Filter(out, why)


def _context_window(features: Sequence[Features], predicted: Predictions, registry: Registry) -> Filter:
    needed = np.array([f.input_tokens for f in features], dtype=np.int64)[:, None] + predicted.output_limit
    return Filter(
        needed > registry.context_window[None, :],
        lambda task, model: (
            f"needs {int(needed[task, model]):,} tokens, its window has {int(registry.context_window[model]):,}"
        ),
    )


def _region(batch: Sequence[Submission], registry: Registry) -> Filter:
    where = [model.region for model in registry.models]
    out = np.zeros((len(batch), len(where)), dtype=np.bool_)
    for row, item in enumerate(batch):
        if (region := item.task.requirements.region) is not None:
            out[row] = [at != region for at in where]
    return Filter(
        out,
        lambda task, model: (
            f"runs in {where[model] or 'no declared region'}, not {batch[task].task.requirements.region}"
        ),
    )


def _bounds(
    batch: Sequence[Submission], name: str, otherwise: float
) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = (getattr(item.task.requirements, name) for item in batch)
    return np.array([otherwise if value is None else value for value in values], dtype=np.float64)


def _ceiling(batch: Sequence[Submission], predicted: Predictions) -> Filter:
    most = _bounds(batch, "max_cost_usd", np.inf)
    return Filter(
        predicted.worst_cost_usd > most[:, None],
        lambda task, model: (
            f"may cost ${predicted.worst_cost_usd[task, model]:.6f}, the task allows ${most[task]:.6f}"
        ),
    )


def _floor(batch: Sequence[Submission], predicted: Predictions) -> Filter:
    least = _bounds(batch, "min_quality", 0.0)
    return Filter(
        predicted.quality < least[:, None],
        lambda task, model: (
            f"quality {predicted.quality[task, model]:.2f} is below the floor {least[task]:.2f}"
        ),
    )


def _too_slow(batch: Sequence[Submission], predicted: Predictions, now: float) -> Filter:
    left = np.array(
        [np.inf if (d := item.task.deadline) is None else d.timestamp() - now for item in batch],
        dtype=np.float64,
    )
    return Filter(
        predicted.latency_s > left[:, None],
        lambda task, model: (
            f"takes about {predicted.latency_s[task, model]:.1f} s, the deadline is in {left[task]:.1f} s"
        ),
    )


def _breaker(batch: Sequence[Submission], registry: Registry, world: World) -> Filter:
    state = [world.health[m.name].breaker if m.name in world.health else None for m in registry.models]
    out = np.zeros((len(batch), len(state)), dtype=np.bool_)
    out[:, [s is BreakerState.OPEN for s in state]] = True
    half_open = [column for column, s in enumerate(state) if s is BreakerState.HALF_OPEN]
    for column in half_open:
        name = registry.models[column].name
        out[:, column] = [not _probes(item.task_id, name) for item in batch]

    def why(_task: int, model: int) -> str:
        if state[model] is BreakerState.OPEN:
            return "its breaker is open"
        return f"its breaker is half open: one task in {PROBE_SHARE} tries it"

    return Filter(out, why)


def _probes(task_id: str, model: str) -> bool:
    digest = blake2b(f"{model}/{task_id}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) % PROBE_SHARE == 0
