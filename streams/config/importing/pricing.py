"""Which prices an imported model gets: those of the source, of the catalogue, or none that are known."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import TYPE_CHECKING

from streams.config.price_catalogue import catalogue_prices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.config.settings import Prices

_FREE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Costs:
    """What the source says of a model's prices, in USD for a million tokens, and for a call."""

    input: Decimal | None = None
    output: Decimal | None = None
    cached: Decimal | None = None
    request: Decimal | None = None


class Origin(Enum):
    """Where the prices come from."""

    SOURCE = auto()
    CATALOGUE = auto()
    """By the model's own name, so that nothing need be written."""
    SIMILAR = auto()
    """From the catalogue, by another name that the source gives the model."""
    OWN_SERVER = auto()
    UNKNOWN = auto()
    """Nobody knows them; 0 is written, or the configuration could not be loaded."""


@dataclass(frozen=True, slots=True)
class Priced:
    """Prices for sluice.yaml."""

    prices: dict[str, Decimal] | None
    """None where the catalogue has them."""
    origin: Origin
    similar_to: str = ""
    """The name by which the catalogue knew the model."""


def priced(
    costs: Costs, *, provider: str, provider_name: str, model: str, similar: Sequence[str], own: bool
) -> Priced:
    """Prices of a model.

    Args:
        costs: what the source says.
        provider: what the catalogue calls the provider.
        provider_name: what sluice.yaml calls it, which is what Sluice will look for.
        model: what the provider calls the model.
        similar: other names of the model in the source, the best first.
        own: whether it runs on a server of one's own.
    """
    listed, name = _listed(provider, [model, *similar])
    if costs.input is not None or costs.output is not None:
        return Priced(_completed(costs, listed), Origin.SOURCE)
    if own:
        return Priced(_written(_FREE, _FREE, None, costs.request), Origin.OWN_SERVER)
    if listed is None:
        return Priced(_written(_FREE, _FREE, None, costs.request), Origin.UNKNOWN)
    found = _completed(costs, listed)
    if name == model and costs == Costs():
        same = listed == catalogue_prices(provider_name, model)
        return Priced(None if same else found, Origin.CATALOGUE)
    return Priced(found, Origin.CATALOGUE if name == model else Origin.SIMILAR, name)


def _listed(provider: str, names: Sequence[str]) -> tuple[Prices | None, str]:
    for name in names:
        found = catalogue_prices(provider, name)
        if found is not None:
            return found, name
    return None, ""


def _completed(costs: Costs, listed: Prices | None) -> dict[str, Decimal]:
    """What the source says, and the rest from the catalogue: a price that nobody gives is 0."""

    def first(given: Decimal | None, known: float | None) -> Decimal | None:
        return given if given is not None or known is None else Decimal(str(known))

    known = (None, None, None) if listed is None else _numbers(listed)
    cached = first(costs.cached, known[2] if costs.input is None else None)
    return _written(first(costs.input, known[0]), first(costs.output, known[1]), cached, costs.request)


def _numbers(prices: Prices) -> tuple[float, float, float | None]:
    return prices.input_usd_per_mtok, prices.output_usd_per_mtok, prices.cached_input_usd_per_mtok


def _written(
    per_input: Decimal | None, per_output: Decimal | None, cached: Decimal | None, request: Decimal | None
) -> dict[str, Decimal]:
    prices = {"input_usd_per_mtok": per_input or _FREE, "output_usd_per_mtok": per_output or _FREE}
    if cached is not None:
        prices["cached_input_usd_per_mtok"] = cached
    if request:
        prices["request_usd"] = request
    return prices
