"""How many calls may be in flight: per model, per provider and overall, from this router."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.registry import RegisteredModel, Registry
    from streams.router.metrics import Metrics


class CallSlots:
    """Bounded concurrency. The narrowest bound is waited for first, so a busy model holds no overall slot."""

    def __init__(self, registry: Registry, max_calls: int, metrics: Metrics) -> None:
        self._models = {m.name: asyncio.Semaphore(m.max_concurrency) for m in registry.models}
        self._providers = {
            name: asyncio.Semaphore(p.max_concurrency) for name, p in registry.providers.items()
        }
        self._overall = asyncio.Semaphore(max_calls)
        self._metrics = metrics

    @asynccontextmanager
    async def hold(self, model: RegisteredModel) -> AsyncIterator[None]:
        """Wait for a slot, and hold it for one call."""
        async with self._models[model.name], self._providers[model.provider], self._overall:
            gauge = self._metrics.calls_in_flight.labels(model.name)
            gauge.inc()
            try:
                yield
            finally:
                gauge.dec()
