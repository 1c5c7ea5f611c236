"""The models: provider, prices, limits, capabilities, tier. Built once from the settings, read-only."""

from streams.registry.models import DEFAULT_QUALITY, RegisteredModel, Registry, UnpricedModelError

__all__ = ["DEFAULT_QUALITY", "RegisteredModel", "Registry", "UnpricedModelError"]
