"""What is expected of every model for every task: cost, latency, quality. Arrays of shape (tasks, models).

In this form they come from the registry alone: list prices, typical speed, prior quality.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.registry import Registry
    from topics.events import Features

EXPECTED_OUTPUT_TOKENS = 256
"""Length of an answer where the limit allows it; a round number, until measured lengths replace it."""
INPUT_MARGIN = 1.4
"""Worst case of the input over its estimate; see docs/performance.md for the estimate's error."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Per task and model."""

    output_limit: np.ndarray[Any, np.dtype[np.int64]]
    """Answer limit that would be sent, tokens."""
    cost_usd: Floats
    worst_cost_usd: Floats
    latency_s: Floats
    quality: Floats


def predict(features: Sequence[Features], registry: Registry) -> Predictions:
    """Predictions for a batch."""
    input_tokens = np.array([f.input_tokens for f in features], dtype=np.float64)[:, None]
    limits = np.array([f.max_tokens for f in features], dtype=np.int64)[:, None]
    output_limit = np.minimum(limits, registry.max_output_tokens[None, :])
    output_tokens = np.minimum(output_limit, EXPECTED_OUTPUT_TOKENS)
    fee = registry.request_usd[None, :]
    return Predictions(
        output_limit=output_limit,
        cost_usd=input_tokens * registry.input_usd + output_tokens * registry.output_usd + fee,
        worst_cost_usd=(
            np.ceil(input_tokens * INPUT_MARGIN) * registry.input_usd
            + output_limit * registry.output_usd
            + fee
        ),
        latency_s=registry.ttft_s[None, :] + output_tokens * registry.s_per_token[None, :],
        quality=np.broadcast_to(registry.quality, output_limit.shape),
    )
