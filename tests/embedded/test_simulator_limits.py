"""Rate limits of simulated providers over HTTP: what is told, when a call is refused, and recovery."""

from __future__ import annotations

import asyncio

import pytest

from streams.embedded.simulator import SimulatedModel
from tests.embedded.simulator import StandingClock, serving

pytestmark = pytest.mark.contract


async def test_headers_tell_limit_remainder_and_reset() -> None:
    model = SimulatedModel(name="m", rpm=60, tpm=60_000)
    async with serving([model], clock=StandingClock()) as client:
        response = await client.ask()

    used = response.json()["usage"]["total_tokens"]
    told = {k.removeprefix("x-ratelimit-"): v for k, v in response.headers.items() if "ratelimit" in k}
    assert told == {
        "limit-requests": "60",
        "limit-tokens": "60000",
        "remaining-requests": "59",
        "remaining-tokens": str(60_000 - used),
        "reset-requests": "1s",
        "reset-tokens": f"{used}ms",
    }


async def test_without_limits_no_headers_tell_any() -> None:
    async with serving([SimulatedModel(name="m")]) as client:
        response = await client.ask()

    assert not [name for name in response.headers if "ratelimit" in name]


async def test_a_call_over_the_limit_of_requests_is_told_when_to_come_back() -> None:
    clock = StandingClock()
    async with serving([SimulatedModel(name="m", rpm=40, burst_s=3.0)], clock=clock) as client:
        statuses = [(await client.ask()).status_code for _ in range(2)]
        refused = await client.ask()
        clock.advance(float(refused.headers["retry-after-ms"]) / 1000)
        later = await client.ask()
        tally = client.tally()

    assert statuses == [200, 200]
    assert refused.status_code == 429
    assert refused.headers["retry-after-ms"] == "1500"
    assert refused.headers["retry-after"] == "2"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-request-id"]
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.json()["error"]["type"] == "requests"
    assert later.status_code == 200
    assert tally["by_status"] == {"200": 3, "429": 1}


async def test_a_call_over_the_limit_of_tokens_is_told_when_to_come_back() -> None:
    clock = StandingClock()
    model = SimulatedModel(name="m", tpm=600)
    async with serving([model], clock=clock) as client:
        first = await client.ask("word " * 400, max_tokens=50)
        refused = await client.ask("word " * 400, max_tokens=50)
        clock.advance(float(refused.headers["retry-after-ms"]) / 1000)
        later = await client.ask("word " * 400, max_tokens=50)

    assert (first.status_code, refused.status_code, later.status_code) == (200, 429, 200)
    assert refused.json()["error"]["type"] == "tokens"
    assert "Limit 600" in refused.json()["error"]["message"]


async def test_a_call_that_never_fits_is_not_told_to_come_back() -> None:
    async with serving([SimulatedModel(name="m", tpm=100)]) as client:
        refused = await client.ask("word " * 400)

    assert refused.status_code == 429
    assert refused.json()["error"]["message"].startswith("Request too large.")
    assert "retry-after" not in refused.headers


async def test_calls_beyond_the_concurrency_are_refused() -> None:
    model = SimulatedModel(name="m", max_concurrency=2, ttft_s=0.3, tokens_per_s=1e6)
    async with serving([model], speed=1.0) as client:
        responses = await asyncio.gather(*[client.ask() for _ in range(5)])
        tally = client.tally()

    assert sorted(response.status_code for response in responses) == [200, 200, 429, 429, 429]
    assert tally["in_flight"] == 0


async def test_limits_of_one_model_are_not_those_of_another() -> None:
    models = [SimulatedModel(name="m", rpm=1), SimulatedModel(name="n", rpm=1)]
    async with serving(models, clock=StandingClock()) as client:
        statuses = [(await client.ask(model=name)).status_code for name in ("m", "m", "n")]

    assert statuses == [200, 429, 200]
