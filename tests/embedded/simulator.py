"""What the tests of the simulated providers share: a clock that stands still, and a client of a real server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from streams.embedded.simulator import Prices, SimulatedModel, Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from streams.embedded.simulator import Outcomes

PRICES = Prices(input_usd_per_mtok=1.0, output_usd_per_mtok=10.0, cached_input_usd_per_mtok=0.1)
QUESTION = "Explain why activation fell on Android devices in October."


class StandingClock:
    """Time passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


class Client:
    """Calls one simulator."""

    def __init__(self, simulator: Simulator, http: httpx.AsyncClient) -> None:
        self.simulator = simulator
        self.http = http

    async def ask(
        self,
        question: str = QUESTION,
        *,
        model: str = "m",
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": question}], **fields}
        return await self.http.post("/v1/chat/completions", json=body, headers=headers)

    def tally(self, model: str = "m") -> dict[str, Any]:
        told: dict[str, Any] = self.simulator.stats()["models"][model]
        return told


@asynccontextmanager
async def serving(
    models: Iterable[SimulatedModel] | None = None,
    *,
    speed: float = 0.0,
    seed: int = 0,
    clock: StandingClock | None = None,
    outcomes: Outcomes | None = None,
) -> AsyncIterator[Client]:
    """A simulator without latency, and a client of it."""
    seams: dict[str, Any] = {} if clock is None else {"clock": clock}
    async with (
        Simulator(models, speed=speed, seed=seed, outcomes=outcomes, **seams) as simulator,
        httpx.AsyncClient(base_url=simulator.url, timeout=20) as http,
    ):
        yield Client(simulator, http)


def content(response: httpx.Response) -> str:
    """The text of an answer."""
    text: str = response.json()["choices"][0]["message"]["content"]
    return text
