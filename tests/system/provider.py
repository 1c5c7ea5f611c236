"""Simulated providers that remember who asked for what, and when.

The simulator answers; a front before it notes the idempotency key of every request as it arrives. So a test can
tell what was really asked for from what the routers wrote down. Like a real provider it finishes and remembers a
call whose caller has gone.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import aiohttp
from aiohttp import web

from streams.embedded.simulator import SimulatedModel, Simulator
from streams.embedded.simulator.models import Prices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

PASSED_ON = frozenset({"content-type", "idempotency-key", "authorization"})


def models(*, ttft_s: float = 0.4, error_rate: float = 0.02) -> tuple[SimulatedModel, ...]:
    """Four models in three tiers that take the better part of a second and fail now and then."""
    kinds: tuple[tuple[str, Literal["efficient", "standard", "premium"], float], ...] = (
        ("small", "efficient", 0.15),
        ("nimble", "efficient", 0.3),
        ("middle", "standard", 2.0),
        ("large", "premium", 15.0),
    )
    return tuple(
        SimulatedModel(
            name=name,
            tier=tier,
            prices=Prices(input_usd_per_mtok=usd, output_usd_per_mtok=4 * usd),
            ttft_s=ttft_s,
            ttft_sigma=0.4,
            tokens_per_s=400,
            answer_tokens=60,
            error_rate=error_rate,
        )
        for name, tier, usd in kinds
    )


@dataclass
class Provider:
    """The front. `arrivals` is what it has been asked."""

    simulator: Simulator
    session: aiohttp.ClientSession
    base_url: str = ""
    arrivals: dict[str, list[float]] = field(default_factory=dict)
    """By idempotency key: when requests came, in seconds since the epoch."""
    in_flight: int = 0

    @property
    def requests(self) -> int:
        return sum(map(len, self.arrivals.values()))

    async def forward(self, http: web.Request) -> web.Response:
        self.arrivals.setdefault(http.headers["Idempotency-Key"], []).append(time.time())
        self.in_flight += 1
        try:
            async with self.session.post(
                f"{self.simulator.base_url}/chat/completions",
                data=await http.read(),
                headers={name: value for name, value in http.headers.items() if name.lower() in PASSED_ON},
            ) as answer:
                content_type = answer.headers.get("Content-Type", "application/json")
                return web.Response(
                    status=answer.status, body=await answer.read(), headers={"Content-Type": content_type}
                )
        finally:
            self.in_flight -= 1


@asynccontextmanager
async def providing(served: Sequence[SimulatedModel]) -> AsyncIterator[Provider]:
    """Simulated providers at work."""
    async with (
        Simulator(served) as simulator,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        provider = Provider(simulator, session)
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", provider.forward)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        provider.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield provider
        finally:
            await runner.cleanup()
