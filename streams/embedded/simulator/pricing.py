"""Prices and tiers of models of which only recorded calls are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from streams.embedded.simulator.models import Prices

if TYPE_CHECKING:
    from collections.abc import Mapping

Floats = np.ndarray[Any, np.dtype[np.float64]]

_WELL_ENOUGH = 0.05
"""Mean error of fitted costs, as a share of the mean cost, above which tokens do not explain the cost."""
_TOKENS_PER_MTOK = 1e6
_FEWEST_CALLS = 3
_TIERS: tuple[Literal["efficient", "standard", "premium"], ...] = ("efficient", "standard", "premium")


def fitted_prices(cost_usd: Floats, input_tokens: Floats, output_tokens: Floats) -> Prices | None:
    """List prices that explain what calls cost.

    Where tokens are recorded, prices per million tokens by least squares. Where they are not, or do not explain
    the cost, the mean cost of a call as a fee per call, so that sums over many calls are right. None where no
    cost is recorded.

    Args:
        cost_usd: shape (calls,), NaN where unknown, like the others.
        input_tokens: shape (calls,).
        output_tokens: shape (calls,).
    """
    priced = ~np.isnan(cost_usd)
    if not priced.any():
        return None
    counted = priced & ~np.isnan(input_tokens) & ~np.isnan(output_tokens)
    by_token = _by_token(cost_usd[counted], np.column_stack([input_tokens[counted], output_tokens[counted]]))
    if by_token is not None:
        return by_token
    mean_usd = float(cost_usd[priced].mean())
    return Prices(input_usd_per_mtok=0.0, output_usd_per_mtok=0.0, request_usd=round(mean_usd, 9))


def _by_token(cost_usd: Floats, tokens: Floats) -> Prices | None:
    if len(cost_usd) < _FEWEST_CALLS or np.linalg.matrix_rank(tokens) < tokens.shape[1]:
        return None
    usd_per_token, *_ = np.linalg.lstsq(tokens, cost_usd, rcond=None)
    error_usd = np.abs(tokens @ usd_per_token - cost_usd).mean()
    if (usd_per_token < 0).any() or error_usd > _WELL_ENOUGH * cost_usd.mean():
        return None
    per_input, per_output = (round(float(usd) * _TOKENS_PER_MTOK, 4) for usd in usd_per_token)
    return Prices(input_usd_per_mtok=per_input, output_usd_per_mtok=per_output)


def tiers(
    measure: Mapping[str, float | None],
) -> dict[str, Literal["efficient", "standard", "premium"]]:
    """The lowest third of the models is efficient, the highest premium; unknown counts as lowest.

    The highest of several is always premium.
    """
    order = sorted(measure, key=lambda name: (measure[name] or 0.0, name))
    found = {name: _TIERS[position * 3 // len(order)] for position, name in enumerate(order)}
    return {**found, order[-1]: "premium"} if len(order) > 1 else found
