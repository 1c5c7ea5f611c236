"""The exact cost of a call. Money leaves this module as integer nano-dollars."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from streams.config.settings import Prices
    from topics.events import Usage

NUSD_PER_USD = 1_000_000_000

_MILLION = 1_000_000


class _Rates(NamedTuple):
    """Prices as whole numbers over one denominator, so that a cost is integer arithmetic throughout."""

    input: int
    cached: int
    output: int
    request: int
    denominator: int


@lru_cache(maxsize=4096)
def _rates(prices: Prices) -> _Rates:
    def exact(usd: float) -> Fraction:
        # The decimal that was written, not its nearest binary fraction.
        return Fraction(str(usd)) * NUSD_PER_USD

    cached = prices.cached_input_usd_per_mtok
    nusd = (
        exact(prices.input_usd_per_mtok) / _MILLION,
        exact(prices.input_usd_per_mtok if cached is None else cached) / _MILLION,
        exact(prices.output_usd_per_mtok) / _MILLION,
        exact(prices.request_usd),
    )
    denominator = lcm(*(rate.denominator for rate in nusd))
    whole = [int(rate * denominator) for rate in nusd]
    return _Rates(whole[0], whole[1], whole[2], whole[3], denominator)


def cost_nusd(prices: Prices, usage: Usage) -> int:
    """Exact cost of one call in nano-dollars, rounded half up once, at the end.

    Cached input tokens are part of the input tokens and are charged at their own price; should a provider
    report more cached tokens than tokens, only the cached ones count.
    """
    rates = _rates(prices)
    fresh_tokens = max(usage.input_tokens - usage.cached_input_tokens, 0)
    total = (
        fresh_tokens * rates.input
        + usage.cached_input_tokens * rates.cached
        + usage.output_tokens * rates.output
        + rates.request
    )
    return (2 * total + rates.denominator) // (2 * rates.denominator)


def usd(nusd: int) -> float:
    """Nano-dollars as dollars, for the eye and for metrics; sums are made before, in nano-dollars."""
    return nusd / NUSD_PER_USD
