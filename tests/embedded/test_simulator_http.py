"""The simulated providers over HTTP, as OpenAI documents chat completions."""

from __future__ import annotations

import asyncio
from typing import Any

import jsonschema
import orjson
import pytest

from streams.embedded.simulator import IncidentError, SimulatedModel, Simulator, default_models
from streams.embedded.simulator.openai_format import duration_text, pieces
from tests.embedded.simulator import PRICES, QUESTION, StandingClock, content, serving

pytestmark = pytest.mark.contract

MODEL = SimulatedModel(name="m", provider="acme", prices=PRICES, quality=1.0)
USER = [{"role": "user", "content": QUESTION}]


async def test_an_answer_has_openai_s_shape_and_its_cost_is_counted() -> None:
    async with serving([MODEL]) as client:
        response = await client.ask()
        tally = client.tally()

    body = response.json()
    usage = body["usage"]
    assert response.status_code == 200
    assert response.headers["x-request-id"].startswith("req_")
    assert (body["object"], body["model"]) == ("chat.completion", "m")
    assert body["id"].startswith("chatcmpl-")
    assert [choice["finish_reason"] for choice in body["choices"]] == ["stop"]
    assert body["choices"][0]["message"]["role"] == "assistant"
    assert "activation" in content(response)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0
    assert tally["cost_usd"] == pytest.approx(
        usage["prompt_tokens"] * 1e-6 + usage["completion_tokens"] * 10e-6
    )
    assert (tally["requests"], tally["ok"], tally["by_status"]) == (1, 1, {"200": 1})


async def test_a_stream_is_chunks_then_usage_then_done() -> None:
    async with serving([MODEL]) as client:
        whole = await client.ask()
        streamed = await client.ask(stream=True, stream_options={"include_usage": True})

    events = streamed.text.split("\n\n")
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert all(event.startswith("data: ") for event in events[:-1])
    assert events[-2:] == ["data: [DONE]", ""]
    *chunks, last = [orjson.loads(event[6:]) for event in events[:-2]]
    assert {(c["object"], c["id"], c["model"]) for c in chunks} == {
        ("chat.completion.chunk", last["id"], "m")
    }
    assert all(chunk["usage"] is None for chunk in chunks)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert chunks[-1]["choices"][0]["delta"] == {}
    assert (last["choices"], last["usage"]) == ([], whole.json()["usage"])
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks) == content(whole)


async def test_a_stream_tells_no_usage_unless_it_is_asked_for() -> None:
    async with serving([MODEL]) as client:
        streamed = await client.ask(stream=True)

    assert "usage" not in streamed.text


@pytest.mark.parametrize("limit", [{"max_tokens": 10}, {"max_completion_tokens": 10}])
async def test_an_answer_ends_at_the_tokens_it_may_have(limit: dict[str, Any]) -> None:
    async with serving([MODEL]) as client:
        response = await client.ask(**limit)

    assert response.json()["choices"][0]["finish_reason"] == "length"
    assert response.json()["usage"]["completion_tokens"] == 10
    assert 20 < len(content(response)) <= 40


async def test_answers_repeat_with_the_seed_and_change_with_it() -> None:
    answers = []
    for seed in (1, 1, 2):
        async with serving([MODEL], seed=seed) as client:
            answers.append(content(await client.ask()))

    assert answers[0] == answers[1] != answers[2]


async def test_errors_repeat_with_the_seed() -> None:
    model = SimulatedModel(name="m", error_rate=0.5)
    runs = []
    for _ in range(2):
        async with serving([model], seed=3) as client:
            runs.append([(await client.ask()).status_code for _ in range(20)])

    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


async def test_json_is_valid_and_matches_the_schema() -> None:
    schema = {
        "type": "object",
        "properties": {"sentiment": {"enum": ["good", "bad"]}, "score": {"type": "integer"}},
        "required": ["sentiment", "score"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "rating", "schema": schema, "strict": True}}
    async with serving([MODEL]) as client:
        free = await client.ask(response_format={"type": "json_object"})
        strict = await client.ask(response_format=wanted)
        plain = await client.ask(response_format={"type": "text"})

    assert isinstance(orjson.loads(content(free)), dict)
    jsonschema.validate(orjson.loads(content(strict)), schema)
    assert "activation" in content(plain)


async def test_a_model_that_declines_says_so_in_words() -> None:
    async with serving([SimulatedModel(name="m", refusal_rate=1.0)]) as client:
        response = await client.ask()

    assert content(response).startswith("I'm sorry")


BAD: list[tuple[dict[str, Any], str | None, str | None]] = [
    ({"messages": USER}, "model", None),
    ({"model": "m"}, "messages", "missing_required_parameter"),
    ({"model": "m", "messages": []}, "messages", "empty_array"),
    ({"model": "m", "messages": "hello"}, "messages", "invalid_type"),
    ({"model": "m", "messages": ["hello"]}, "messages[0]", "invalid_type"),
    (
        {"model": "m", "messages": [{"role": "robot", "content": "x"}]},
        "messages[0].role",
        "invalid_value",
    ),
    ({"model": "m", "messages": [{"role": "user"}]}, "messages[0].content", "invalid_type"),
    (
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
        "invalid_type",
    ),
    ({"model": "m", "messages": USER, "max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ({"model": "m", "messages": USER, "max_tokens": "10"}, "max_tokens", "invalid_type"),
    (
        {"model": "m", "messages": USER, "max_tokens": 5, "max_completion_tokens": 5},
        "max_tokens",
        "invalid_parameter_combination",
    ),
    ({"model": "m", "messages": USER, "stream": "yes"}, "stream", "invalid_type"),
    ({"model": "m", "messages": USER, "stream_options": {}}, "stream_options", None),
    ({"model": "m", "messages": USER, "n": 2}, "n", "unsupported_value"),
    (
        {"model": "m", "messages": USER, "response_format": {"type": "xml"}},
        "response_format.type",
        "invalid_value",
    ),
    (
        {
            "model": "m",
            "messages": USER,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"schema": {"type": "object", "properties": 5}},
            },
        },
        "response_format",
        None,
    ),
]


@pytest.mark.parametrize(("body", "param", "code"), BAD)
async def test_bad_input_is_a_400_that_names_the_parameter(
    body: dict[str, Any], param: str | None, code: str | None
) -> None:
    async with serving([MODEL]) as client:
        response = await client.http.post("/v1/chat/completions", json=body)

    error = response.json()["error"]
    assert response.status_code == 400
    assert error["message"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff\xfe"])
async def test_a_body_that_is_no_object_is_a_400(body: bytes) -> None:
    async with serving([MODEL]) as client:
        response = await client.http.post("/v1/chat/completions", content=body)
        rejected = client.simulator.stats()["rejected"]

    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert rejected == {"400": 1}


async def test_an_unknown_model_is_a_404() -> None:
    async with serving([MODEL]) as client:
        response = await client.ask(model="nobody")
        listed = await client.http.get("/v1/models/nobody")
        rejected = client.simulator.stats()["rejected"]

    assert (response.status_code, listed.status_code) == (404, 404)
    assert response.json()["error"]["code"] == "model_not_found"
    assert rejected == {"404": 1}


async def test_a_conversation_that_is_too_long_is_refused_with_its_size() -> None:
    async with serving([SimulatedModel(name="m", context_window=100)]) as client:
        prompt_alone = await client.ask("word " * 200)
        with_answer = await client.ask("word " * 20, max_tokens=90)
        fits = await client.ask("word " * 20, max_tokens=50)

    for response in (prompt_alone, with_answer):
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "context_length_exceeded"
    assert "maximum context length is 100 tokens" in prompt_alone.json()["error"]["message"]
    assert fits.status_code == 200


@pytest.mark.parametrize(
    ("key", "sent", "status"),
    [
        ("sk-1", None, 401),
        ("sk-1", "Bearer sk-2", 401),
        ("sk-1", "Basic sk-1", 401),
        ("sk-1", "Bearer sk-1", 200),
        ("*", None, 401),
        ("*", "Bearer anything", 200),
        (None, None, 200),
    ],
)
async def test_a_model_with_a_key_wants_it(key: str | None, sent: str | None, status: int) -> None:
    async with serving([SimulatedModel(name="m", api_key=key)]) as client:
        response = await client.ask(headers={} if sent is None else {"Authorization": sent})

    assert response.status_code == status
    if status == 401:
        assert response.json()["error"]["code"] == "invalid_api_key"


async def test_the_last_message_of_the_user_decides_and_content_may_be_parts() -> None:
    parts = [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    conversation = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "42", "tool_call_id": "1"},
        {"role": "user", "content": parts},
    ]
    async with serving([MODEL]) as client:
        short = await client.ask()
        long = await client.http.post("/v1/chat/completions", json={"model": "m", "messages": conversation})

    assert content(long) == content(short)
    assert long.json()["usage"]["prompt_tokens"] > short.json()["usage"]["prompt_tokens"] + 85


async def test_a_long_prefix_that_was_sent_before_is_cached_and_cheaper() -> None:
    instructions = {"role": "system", "content": "word " * 2_000}
    clock = StandingClock()
    async with serving([MODEL], clock=clock) as client:

        async def cached(question: str) -> int:
            body = {"model": "m", "messages": [instructions, {"role": "user", "content": question}]}
            response = await client.http.post("/v1/chat/completions", json=body)
            tokens: int = response.json()["usage"]["prompt_tokens_details"]["cached_tokens"]
            return tokens

        first, second = await cached("one"), await cached("two")
        clock.advance(400)
        later = await cached("three")
        tally = client.tally()

    assert (first, later) == (0, 0)
    assert second >= 2_432
    assert second % 128 == 0
    assert tally["cached_tokens"] == second
    full_usd = tally["input_tokens"] * 1e-6 + tally["output_tokens"] * 10e-6
    assert tally["cost_usd"] == pytest.approx(full_usd - second * 0.9e-6)


async def test_a_repeat_with_its_key_gets_the_same_answer_and_is_not_billed() -> None:
    key = {"Idempotency-Key": "call-1"}
    async with serving([MODEL]) as client:
        first = await client.ask(headers=key)
        cost_usd = client.tally()["cost_usd"]
        second = await client.ask(headers=key)
        streamed = await client.ask(headers=key, stream=True)
        another = await client.ask(headers={"Idempotency-Key": "call-2"})
        tally = client.tally()

    assert "x-sluice-idempotent-replay" not in first.headers
    assert second.headers["x-sluice-idempotent-replay"] == "true"
    assert streamed.headers["x-sluice-idempotent-replay"] == "true"
    assert second.json() == first.json()
    assert another.json()["id"] != first.json()["id"]
    assert tally["repeats"] == 2
    assert tally["cost_usd"] == pytest.approx(2 * cost_usd)


async def test_a_repeat_while_the_first_is_in_flight_waits_for_the_same_answer() -> None:
    model = SimulatedModel(name="m", ttft_s=0.2, tokens_per_s=1e6)
    key = {"Idempotency-Key": "call-1"}
    async with serving([model], speed=1.0) as client:
        first, second = await asyncio.gather(client.ask(headers=key), client.ask(headers=key))
        tally = client.tally()

    assert first.json() == second.json()
    assert (tally["repeats"], tally["max_in_flight"], tally["in_flight"]) == (1, 2, 0)


async def test_a_key_used_for_another_request_is_refused_and_a_failed_call_leaves_none() -> None:
    key = {"Idempotency-Key": "call-1"}
    async with serving([MODEL]) as client:
        client.simulator.incident("m", "errors")
        failed = await client.ask(headers=key)
        client.simulator.clear_incidents()
        first = await client.ask(headers=key)
        other = await client.ask("Something else", headers=key)

    assert (failed.status_code, first.status_code, other.status_code) == (500, 200, 400)
    assert "x-sluice-idempotent-replay" not in first.headers
    assert other.json()["error"]["code"] == "idempotency_key_reused"


async def test_latency_is_that_of_the_model_scaled_by_speed() -> None:
    model = SimulatedModel(name="m", ttft_s=10.0, tokens_per_s=1.0, answer_tokens=50, quality=1.0)
    async with serving([model], speed=0.001) as client:
        response = await client.ask()

    tokens = response.json()["usage"]["completion_tokens"]
    assert response.elapsed.total_seconds() >= (10.0 + tokens) * 0.001
    assert int(response.headers["openai-processing-ms"]) == pytest.approx(10.0 + tokens, abs=1)


async def test_models_are_listed_with_their_prices() -> None:
    async with serving([MODEL, SimulatedModel(name="org/free")]) as client:
        listed = (await client.http.get("/v1/models")).json()
        one = (await client.http.get("/v1/models/org/free")).json()
        health = (await client.http.get("/health")).json()

    assert (listed["object"], [each["id"] for each in listed["data"]]) == ("list", ["m", "org/free"])
    assert (listed["data"][0]["object"], listed["data"][0]["owned_by"]) == ("model", "acme")
    assert listed["data"][0]["pricing"]["output_usd_per_mtok"] == 10.0
    assert (one["id"], one["pricing"]) == ("org/free", None)
    assert health == {"status": "ok", "models": 2}


async def test_reset_forgets_all() -> None:
    async with serving([MODEL]) as client:
        await client.ask(headers={"Idempotency-Key": "call-1"})
        client.simulator.incident("*", "slow")
        response = await client.http.post("/admin/reset")
        stats = (await client.http.get("/admin/stats")).json()
        again = await client.ask(headers={"Idempotency-Key": "call-1"})

    assert response.status_code == 200
    assert (stats["models"]["m"]["requests"], stats["total"]["cost_usd"]) == (0, 0.0)
    assert "x-sluice-idempotent-replay" not in again.headers


async def test_totals_are_sums_over_models() -> None:
    async with serving() as client:
        for model in default_models():
            await client.ask(model=model.name)
        stats = client.simulator.stats()

    assert stats["total"]["requests"] == stats["total"]["ok"] == 6
    each = [tally["cost_usd"] for tally in stats["models"].values()]
    assert stats["total"]["cost_usd"] == pytest.approx(sum(each))
    assert min(each) > 0


async def test_a_port_that_is_taken_is_an_error_and_a_stopped_server_frees_it() -> None:
    async with Simulator([MODEL]) as first:
        port = int(first.url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=str(port)):
            async with Simulator([MODEL], port=port):
                pass
    async with Simulator([MODEL], port=port) as second:
        assert second.url == first.url


def test_an_incident_that_cannot_be_is_refused_in_the_program_too() -> None:
    with pytest.raises(IncidentError, match="no model nobody"):
        Simulator([MODEL]).incident("nobody", "slow")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.012, "12ms"),
        (0.0001, "1ms"),
        (1, "1s"),
        (8.64, "8.64s"),
        (360, "6m0s"),
        (61.5, "1m1.5s"),
        (3600, "1h0m0s"),
    ],
)
def test_durations_are_written_as_openai_writes_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize("most", [1, 2, 7, 1_000])
def test_pieces_joined_are_the_text(most: int) -> None:
    text = "  Two  words\nand more, of   them.\n"
    parts = pieces(text, most)

    assert "".join(parts) == text
    assert len(parts) <= most
