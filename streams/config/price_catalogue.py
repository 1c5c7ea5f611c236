"""List prices of models, from the copy of the genai-prices catalogue in the installed package. Fetches nothing.

Which prices hold for a model, configured or these, is the registry's to settle.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from streams.config.settings import Prices

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice


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
