"""Incidents on request: each kind as a caller sees it, and the endpoint that begins and ends them."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from streams.embedded.simulator import SimulatedModel
from tests.embedded.simulator import PRICES, Client, StandingClock, content, serving

pytestmark = pytest.mark.contract

MODEL = SimulatedModel(name="m", prices=PRICES, quality=1.0)


async def test_an_outage_closes_the_connection() -> None:
    async with serving([MODEL]) as client:
        client.simulator.incident("m", "outage")
        with pytest.raises(httpx.RemoteProtocolError):
            await client.ask()
        with pytest.raises(httpx.RemoteProtocolError):
            await client.ask(stream=True)
        client.simulator.clear_incidents()
        after = await client.ask()
        tally = client.tally()

    assert after.status_code == 200
    assert tally["by_status"] == {"200": 1, "disconnected": 2}
    assert (tally["ok"], tally["in_flight"]) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "status", "seen"), [("outage", 503, 503), ("errors", None, 500), ("errors", 502, 502)]
)
async def test_outage_and_errors_may_answer_with_a_status(kind: str, status: int | None, seen: int) -> None:
    async with serving([MODEL]) as client:
        client.simulator.incident("m", kind, status=status)
        response = await client.ask()
        tally = client.tally()

    assert response.status_code == seen
    assert response.json()["error"]["type"] == "server_error"
    assert tally["cost_usd"] == 0.0


async def test_errors_hit_their_share_of_calls() -> None:
    async with serving([MODEL]) as client:
        client.simulator.incident("m", "errors", rate=0.3)
        statuses = [(await client.ask()).status_code for _ in range(100)]

    assert 15 <= statuses.count(500) <= 45
    assert statuses.count(500) + statuses.count(200) == 100


async def test_slow_takes_many_times_as_long() -> None:
    model = SimulatedModel(name="m", ttft_s=0.01, tokens_per_s=1e6)
    async with serving([model], speed=1.0) as client:
        client.simulator.incident("m", "slow", factor=20)
        response = await client.ask()

    assert response.status_code == 200
    assert response.elapsed.total_seconds() >= 0.2


async def test_throttle_is_a_429_with_a_time_to_wait() -> None:
    async with serving([MODEL]) as client:
        client.simulator.incident("m", "throttle", retry_after_s=2.5)
        response = await client.ask()

    assert response.status_code == 429
    assert (response.headers["retry-after"], response.headers["retry-after-ms"]) == ("3", "2500")
    assert response.json()["error"]["code"] == "rate_limit_exceeded"


async def test_garbage_is_a_200_that_is_no_answer_and_is_billed() -> None:
    seen: dict[str, httpx.Response] = {}
    async with serving([MODEL]) as client:
        for body in ("html", "empty", "truncated_json"):
            client.simulator.incident("m", "garbage", body=body)
            seen[body] = await client.ask()
            client.simulator.clear_incidents()
        tally = client.tally()

    assert {response.status_code for response in seen.values()} == {200}
    assert seen["html"].headers["content-type"] == "text/html"
    assert seen["empty"].content == b""
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(seen["truncated_json"].content)
    assert (tally["ok"], tally["by_status"]) == (0, {"200": 3})
    assert tally["cost_usd"] > 0


async def test_garbage_takes_turns_when_no_body_is_named() -> None:
    async with serving([MODEL]) as client:
        client.simulator.incident("m", "garbage")
        bodies = {(await client.ask()).content[:1] for _ in range(30)}

    assert bodies == {b"<", b"", b"{"}


async def test_truncate_ends_an_answer_halfway() -> None:
    async with serving([MODEL]) as client:
        whole = await client.ask()
        client.simulator.incident("m", "truncate")
        half = await client.ask()

    assert half.json()["choices"][0]["finish_reason"] == "length"
    assert content(whole).startswith(content(half))
    assert len(content(half)) == len(content(whole)) // 2
    assert half.json()["usage"]["completion_tokens"] == whole.json()["usage"]["completion_tokens"] // 2


async def _read_stream(client: Client, received: list[bytes]) -> None:
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Why?"}]}
    async with client.http.stream("POST", "/v1/chat/completions", json=body) as response:
        async for piece in response.aiter_raw():
            received.append(piece)  # noqa: PERF401 - a comprehension loses what came before the break


async def test_truncate_breaks_a_stream_before_its_end() -> None:
    received: list[bytes] = []
    async with serving([MODEL]) as client:
        client.simulator.incident("m", "truncate")
        with pytest.raises(httpx.RemoteProtocolError):
            await _read_stream(client, received)
        tally = client.tally()

    stream = b"".join(received)
    assert stream.startswith(b"data: {")
    assert b"[DONE]" not in stream
    assert b'"finish_reason":"length"' not in stream
    assert tally["by_status"] == {"disconnected": 1}


async def test_an_incident_hits_its_model_alone_and_ends_by_itself() -> None:
    clock = StandingClock()
    models = [MODEL, SimulatedModel(name="n")]
    async with serving(models, clock=clock) as client:
        begun = await client.http.post(
            "/admin/incidents", json={"model": "m", "kind": "errors", "rate": 1, "duration_s": 5}
        )
        clock.advance(4.0)
        during = [(await client.ask(model=name)).status_code for name in ("m", "n")]
        listed = (await client.http.get("/admin/incidents")).json()["incidents"]
        clock.advance(1.0)
        after = (await client.ask()).status_code
        left = (await client.http.get("/admin/incidents")).json()["incidents"]

    assert begun.status_code == 201
    assert (during, after) == ([500, 200], 200)
    assert [(each["model"], each["kind"], each["remaining_s"]) for each in listed] == [("m", "errors", 1.0)]
    assert left == []


async def test_an_incident_may_hit_all_models_until_it_is_ended() -> None:
    async with serving([MODEL, SimulatedModel(name="n")]) as client:
        await client.http.post("/admin/incidents", json={"model": "*", "kind": "throttle"})
        during = [(await client.ask(model=name)).status_code for name in ("m", "n")]
        ended = await client.http.delete("/admin/incidents")
        after = (await client.ask()).status_code

    assert (during, after) == ([429, 429], 200)
    assert ended.json() == {"ended": 1}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ([], "an incident is an object"),
        ({"kind": "outage"}, "model"),
        ({"model": "m"}, "kind"),
        ({"model": "nobody", "kind": "outage"}, "no model nobody; there are m"),
        ({"model": "m", "kind": "flood"}, "kind must be one of outage, errors, slow"),
        ({"model": "m", "kind": "errors", "rate": 2}, "rate must be between 0 and 1"),
        ({"model": "m", "kind": "errors", "rate": "half"}, "rate"),
        ({"model": "m", "kind": "errors", "duration": 5}, "unknown duration; known are"),
        ({"model": "m", "kind": "errors", "duration_s": 0}, "duration_s must be above 0"),
        ({"model": "m", "kind": "errors", "status": 200}, "status must be between 400 and 599"),
        ({"model": "m", "kind": "slow", "factor": -1}, "factor"),
        ({"model": "m", "kind": "throttle", "retry_after_s": -1}, "retry_after_s"),
    ],
)
async def test_an_incident_that_cannot_be_is_a_400_that_says_why(body: Any, told: str) -> None:
    async with serving([MODEL]) as client:
        response = await client.http.post("/admin/incidents", json=body)
        listed = (await client.http.get("/admin/incidents")).json()

    assert response.status_code == 400
    assert told in response.json()["error"]["message"]
    assert listed == {"incidents": []}


async def test_an_incident_that_is_no_json_is_a_400() -> None:
    async with serving([MODEL]) as client:
        response = await client.http.post("/admin/incidents", content=b"outage please")

    assert response.status_code == 400
    assert response.json()["error"]["message"] == "the body is not JSON"
