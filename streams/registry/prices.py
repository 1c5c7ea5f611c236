"""What tokens cost: list prices from the genai-prices catalogue, and the exact cost of a call.

The catalogue is the copy bundled with the installed package; nothing is fetched. Money leaves this module as
integer nano-dollars. Which prices hold for a model (configured or catalogue) is settled in `models`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache
from importlib.metadata import version
from math import lcm
from typing import TYPE_CHECKING, NamedTuple

from streams.config.settings import Prices

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

    from topics.events import Usage

NUSD_PER_USD = 1_000_000_000

_MILLION = 1_000_000


@cache
def catalogue_version() -> str:
    """Name and version of the catalogue, as recorded with every cost: `genai-prices 0.2.3`."""
    return f"genai-prices {version('genai-prices')}"


def catalogue_prices(provider: str, model: str, *, at: datetime | None = None) -> Prices | None:
    """List prices of a model in USD per million tokens; None where the catalogue knows none.

    The provider's name is what sluice.yaml calls it, so it may mean nothing to the catalogue: then the name
    of the model alone decides. One price stands for all calls, so what varies with the call is simplified: of
    prices that rise with the length of the prompt it is the base tier; of prices that depend on the hour, the
    dearest, so that a budget is never overspent for believing in a discount. A price with a first day counts
    from that day (UTC) on.

    Args:
        provider: a key of `providers`, such as `openai`.
        model: what the provider calls the model.
        at: the time for which prices are asked, with a zone; without it now.
    """
    info = _find(provider, model)
    return None if info is None else _prices(info, at)


def _find(provider: str, model: str) -> ModelInfo | None:
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - 0.2 s that only this lookup needs

    snapshot = get_snapshot()
    for provider_id in (provider, None):
        try:
            return snapshot.find_provider_model(model, None, provider_id, None)[1]
        except LookupError:
            continue
    return None


def _prices(info: ModelInfo, at: datetime | None) -> Prices | None:
    usable = [each for each in map(_flat, _current(info, at)) if each is not None]
    return max(usable, key=lambda p: (p.output_usd_per_mtok, p.input_usd_per_mtok), default=None)


def _current(info: ModelInfo, at: datetime | None) -> list[ModelPrice]:
    """The price in force by date, then those that replace it at certain hours."""
    from genai_prices.types import ModelPrice, TimeOfDateConstraint  # noqa: PLC0415 - see _find

    if isinstance(info.prices, ModelPrice):
        return [info.prices]
    if not info.prices:
        return []
    now = at or datetime.now(UTC)
    by_hour = [p.prices for p in info.prices if isinstance(p.constraint, TimeOfDateConstraint)]
    by_date = [
        p.prices
        for p in info.prices
        if p.constraint is None
        or (not isinstance(p.constraint, TimeOfDateConstraint) and p.constraint.active(now))
    ]
    return [(by_date or [info.prices[0].prices])[-1], *by_hour]


def _flat(price: ModelPrice) -> Prices | None:
    """As settings; None where tokens in or tokens out have no price (embeddings, speech)."""

    def base(key: str) -> Decimal | None:
        value = getattr(price, key, None)
        return getattr(value, "base", value)

    per_input, per_output = base("input_mtok"), base("output_mtok")
    if per_input is None or per_output is None:
        return None
    cached = base("cache_read_mtok")
    return Prices(
        input_usd_per_mtok=float(per_input),
        output_usd_per_mtok=float(per_output),
        cached_input_usd_per_mtok=None if cached is None else float(cached),
        request_usd=float((base("requests_kcount") or Decimal(0)) / 1000),
    )


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
