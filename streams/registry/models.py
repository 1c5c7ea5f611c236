"""Registered models, and the arrays over them that deciding works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.config.price_catalogue import catalogue_prices, catalogue_version
from streams.config.settings import Model, Prices, Provider, Tier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_QUALITY = {Tier.EFFICIENT: 0.70, Tier.STANDARD: 0.82, Tier.PREMIUM: 0.92}
"""Prior probability that an answer passes, where the user gives none."""


class UnpricedModelError(Exception):
    """A model has no configured prices and the catalogue does not know it."""

    def __init__(self, model: str) -> None:
        super().__init__(f"no price is known for model {model}; give `prices` in sluice.yaml")
        self.model = model


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """One model with everything resolved: prices from the settings or the catalogue, quality from its tier."""

    name: str
    provider: str
    provider_model: str
    """What the provider calls it."""
    tier: Tier
    prices: Prices
    price_source: str
    context_window: int
    max_output_tokens: int
    capabilities: frozenset[str]
    region: str | None
    quality: float
    ttft_s: float
    tokens_per_s: float
    max_concurrency: int

    @classmethod
    def of(cls, model: Model) -> RegisteredModel:
        """From its entry in the settings.

        Raises:
            UnpricedModelError: see there.
        """
        provider_model = model.model or model.name
        prices, source = model.prices, "configured"
        if prices is None:
            prices, source = catalogue_prices(model.provider, provider_model), catalogue_version()
        if prices is None:
            raise UnpricedModelError(model.name)
        return cls(
            name=model.name,
            provider=model.provider,
            provider_model=provider_model,
            tier=model.tier,
            prices=prices,
            price_source=source,
            context_window=model.context_window,
            max_output_tokens=model.max_output_tokens,
            capabilities=frozenset(model.capabilities),
            region=model.region,
            quality=DEFAULT_QUALITY[model.tier] if model.quality is None else model.quality,
            ttft_s=model.ttft_s,
            tokens_per_s=model.tokens_per_s,
            max_concurrency=model.max_concurrency,
        )

    def public(self) -> dict[str, Any]:
        """As published with the policy: no address, no key."""
        return {
            "name": self.name,
            "provider": self.provider,
            "provider_model": self.provider_model,
            "tier": self.tier.value,
            "prices": self.prices.model_dump(mode="json"),
            "price_source": self.price_source,
            "context_window": self.context_window,
            "max_output_tokens": self.max_output_tokens,
            "capabilities": sorted(self.capabilities),
            "region": self.region,
            "quality": self.quality,
            "ttft_s": self.ttft_s,
            "tokens_per_s": self.tokens_per_s,
        }


@dataclass(frozen=True, slots=True)
class Registry:
    """All models in the order of the settings, and their numbers as arrays of shape (models,)."""

    models: tuple[RegisteredModel, ...]
    providers: Mapping[str, Provider]
    index: Mapping[str, int] = field(init=False)
    """Position of a model by name."""
    input_usd: np.ndarray[Any, np.dtype[np.float64]] = field(init=False)
    """USD for one input token."""
    output_usd: np.ndarray[Any, np.dtype[np.float64]] = field(init=False)
    """USD for one output token."""
    request_usd: np.ndarray[Any, np.dtype[np.float64]] = field(init=False)
    context_window: np.ndarray[Any, np.dtype[np.int64]] = field(init=False)
    max_output_tokens: np.ndarray[Any, np.dtype[np.int64]] = field(init=False)
    quality: np.ndarray[Any, np.dtype[np.float64]] = field(init=False)
    ttft_s: np.ndarray[Any, np.dtype[np.float64]] = field(init=False)
    s_per_token: np.ndarray[Any, np.dtype[np.float64]] = field(init=False)

    def __post_init__(self) -> None:
        models = self.models
        arrays: dict[str, Any] = {
            "index": {model.name: i for i, model in enumerate(models)},
            "input_usd": np.array([m.prices.input_usd_per_mtok / 1e6 for m in models]),
            "output_usd": np.array([m.prices.output_usd_per_mtok / 1e6 for m in models]),
            "request_usd": np.array([m.prices.request_usd for m in models]),
            "context_window": np.array([m.context_window for m in models], dtype=np.int64),
            "max_output_tokens": np.array([m.max_output_tokens for m in models], dtype=np.int64),
            "quality": np.array([m.quality for m in models]),
            "ttft_s": np.array([m.ttft_s for m in models]),
            "s_per_token": np.array([1.0 / m.tokens_per_s for m in models]),
        }
        for name, value in arrays.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, models: Sequence[Model], providers: Mapping[str, Provider]) -> Registry:
        """From the settings.

        Raises:
            UnpricedModelError: see there.
        """
        return cls(tuple(RegisteredModel.of(model) for model in models), providers)

    def __getitem__(self, name: str) -> RegisteredModel:
        return self.models[self.index[name]]

    def best(self) -> int:
        """Index of the model with the highest prior quality; the cheaper one of equals, then the first."""
        order = np.lexsort((self.output_usd, -self.quality))
        return int(order[0])
