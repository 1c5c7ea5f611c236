"""OpenAI's chat completions: what is written, and what is made of whatever comes back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.call.openai_format import build, read
from tests.call.builders import ANSWER, a_request, a_response, an_answer, an_answer_with
from topics.events import CallStatus, Message, Role, Task, Usage

if TYPE_CHECKING:
    from streams.call import CallOutcome

pytestmark = pytest.mark.contract

OPENAI = "https://api.openai.com/v1"
OTHER = "http://127.0.0.1:8000/v1"


def sent(task: Task, base_url: str = OTHER, model: str = "llama-3") -> Any:
    return orjson.loads(build(a_request(task, model=model), base_url).body)


# --- Request -------------------------------------------------------------------------------------------


def test_a_prompt_is_one_user_message() -> None:
    wire = build(a_request(Task(prompt="Hello"), model="llama-3"), OTHER)
    assert wire.path == "/chat/completions"
    assert dict(wire.headers) == {"content-type": "application/json", "idempotency-key": "call-1"}
    assert orjson.loads(wire.body) == {
        "model": "llama-3",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 64,
    }


def test_everything_a_task_says_is_passed_on() -> None:
    tools = ({"type": "function", "function": {"name": "f", "parameters": {}}},)
    calls = ({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},)
    task = Task(
        messages=(
            Message(Role.USER, ({"type": "text", "text": "x"},), name="Ann"),
            Message(Role.ASSISTANT, None, tool_calls=calls),
            Message(Role.TOOL, "42", tool_call_id="c1"),
        ),
        temperature=0.0,
        top_p=0.9,
        stop=("END", "STOP"),
        seed=0,
        response_format={"type": "json_object"},
        tools=tools,
        tool_choice="auto",
        max_tokens=9_999,
    )
    assert sent(task) == {
        "model": "llama-3",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x"}], "name": "Ann"},
            {"role": "assistant", "content": None, "tool_calls": list(calls)},
            {"role": "tool", "content": "42", "tool_call_id": "c1"},
        ],
        "max_tokens": 64,
        "temperature": 0.0,
        "top_p": 0.9,
        "stop": ["END", "STOP"],
        "seed": 0,
        "response_format": {"type": "json_object"},
        "tools": list(tools),
        "tool_choice": "auto",
    }


@pytest.mark.parametrize(
    ("base_url", "model", "field"),
    [
        (OPENAI, "gpt-4o-mini", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "gpt-4o", "max_completion_tokens"),
        ("https://mine.openai.azure.com/openai/v1", "my-deployment", "max_completion_tokens"),
        ("https://relay.example.com/v1", "o3-mini", "max_completion_tokens"),
        ("https://relay.example.com/v1", "gpt-5.4", "max_completion_tokens"),
        ("https://openrouter.ai/api/v1", "openai/gpt-5", "max_tokens"),
        ("https://api.mistral.ai/v1", "mistral-small", "max_tokens"),
        ("http://localhost:11434/v1", "gpt-oss:20b", "max_tokens"),
        ("https://api.openai.com.evil.example/v1", "x", "max_tokens"),
        ("https://example.com/api.openai.com/v1", "x", "max_tokens"),
    ],
)
def test_the_limit_has_the_name_that_the_server_knows(base_url: str, model: str, field: str) -> None:
    body = sent(Task(prompt="x"), base_url, model)
    assert body[field] == 64
    assert len({"max_tokens", "max_completion_tokens"} & body.keys()) == 1


def test_the_developer_role_is_a_system_message_where_it_is_not_known() -> None:
    task = Task(messages=(Message(Role.DEVELOPER, "be brief"), Message(Role.USER, "x")))
    assert sent(task, OTHER)["messages"][0]["role"] == "system"
    assert sent(task, OPENAI)["messages"][0]["role"] == "developer"


def test_a_task_that_cannot_be_json_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        build(a_request(Task(prompt="\ud800")), OTHER)


# --- Answers -------------------------------------------------------------------------------------------


def test_an_answer_is_read() -> None:
    headers = {"x-request-id": "req_1", "x-ratelimit-remaining-requests": "7", "retry-after": "2"}
    outcome = read(a_response(headers=headers))
    assert (outcome.status, outcome.retryable, outcome.error) == (CallStatus.OK, False, None)
    assert (outcome.content, outcome.finish_reason, outcome.tool_calls) == ("Paris", "stop", None)
    assert outcome.usage == Usage(12, 0, 3, 0)
    assert (outcome.request_id, outcome.response_model) == ("req_1", "gpt-4o-mini-2024-07-18")
    assert (outcome.http_status, outcome.latency_s, outcome.ttft_s) == (200, 0.5, None)
    assert outcome.rate_limits is not None
    assert outcome.rate_limits.remaining_requests == 7
    assert outcome.retry_after_s == 2.0


def test_without_a_header_the_completion_s_id_names_the_request() -> None:
    assert read(a_response()).request_id == "chatcmpl-1"


def test_tool_calls_are_read() -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    outcome = read(a_response(an_answer_with({"content": None, "tool_calls": calls}, "tool_calls")))
    assert (outcome.status, outcome.content, outcome.tool_calls) == (CallStatus.OK, None, tuple(calls))


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": ""}, ""),
        ({"content": None}, None),
        ({}, None),
        ({"content": "x", "tool_calls": []}, "x"),
        ({"content": "x", "refusal": ""}, "x"),
        ({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}]}, "a"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
    ],
)
def test_answers_of_compatible_servers_are_answers(message: dict[str, Any], content: str | None) -> None:
    outcome = read(a_response(an_answer_with(message, "length")))
    assert (outcome.status, outcome.content, outcome.tool_calls) == (CallStatus.OK, content, None)


def test_missing_usage_leaves_the_answer_whole() -> None:
    outcome = read(a_response({key: value for key, value in ANSWER.items() if key != "usage"}))
    assert (outcome.status, outcome.usage, outcome.content) == (CallStatus.OK, None, "Paris")


def test_a_refusal_is_not_an_answer_but_was_paid_for() -> None:
    outcome = read(a_response(an_answer_with({"content": None, "refusal": "I cannot help with that."})))
    assert (outcome.status, outcome.retryable) == (CallStatus.CONTENT_REFUSED, False)
    assert outcome.error == "content_refused:refusal"
    assert outcome.content == "I cannot help with that."
    assert outcome.usage == Usage(12, 0, 3, 0)


def test_a_filtered_answer_is_refused() -> None:
    outcome = read(a_response(an_answer_with({"content": "The fi"}, "content_filter")))
    assert (outcome.status, outcome.error) == (CallStatus.CONTENT_REFUSED, "content_refused:content_filter")
    assert outcome.content == "The fi"


# --- Not answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "error", "retryable"),
    [
        (b"", "empty_body", True),
        (b"  \r\n ", "empty_body", True),
        (b"<!doctype html><html>Sign in</html>", "html", False),
        (b'data: {"choices":[]}\n\ndata: [DONE]\n\n', "unasked_stream", False),
        (orjson.dumps(ANSWER)[:-20], "invalid_json", True),
        (b"\xff\xfe{}", "invalid_utf8", False),
        (b"OK", "invalid_json", True),
        (b"[" * 100_000, "invalid_json", True),
        (b"null", "not_an_object", False),
        (b"[]", "not_an_object", False),
        (b'"text"', "not_an_object", False),
        (b"{}", "no_choices", False),
        ({"choices": []}, "no_choices", False),
        ({"choices": None}, "no_choices", False),
        ({"choices": {"0": {}}}, "no_choices", False),
        ({"choices": ["x"]}, "no_choices", False),
        ({"choices": [{"index": 0}]}, "no_message", False),
        ({"choices": [{"message": "x"}]}, "no_message", False),
        ({"choices": [{"message": {}}]}, "no_answer", False),
        (an_answer_with({"content": 7}), "content", False),
        (an_answer_with({"content": {"text": "x"}}), "content", False),
        (an_answer_with({"content": ["x"]}), "content", False),
        (an_answer_with({"content": [{"type": "text", "text": 1}]}), "content", False),
        (an_answer_with({"content": "x", "tool_calls": "f"}), "tool_calls", False),
        (an_answer_with({"content": "x", "tool_calls": [1]}), "tool_calls", False),
        (an_answer(usage="12"), "usage", False),
        (an_answer(usage={"prompt_tokens": -5, "completion_tokens": 3}), "usage", False),
    ],
)
def test_what_is_not_an_answer_is_a_bad_response(body: object, error: str, *, retryable: bool) -> None:
    outcome = read(a_response(body))
    assert (outcome.status, outcome.error) == (CallStatus.BAD_RESPONSE, f"bad_response:{error}")
    assert outcome.retryable is retryable


def test_an_answer_with_absurd_usage_is_kept_beside_the_error() -> None:
    outcome = read(a_response(an_answer(usage={"prompt_tokens": -5, "completion_tokens": 3})))
    assert (outcome.status, outcome.content, outcome.usage) == (CallStatus.BAD_RESPONSE, "Paris", None)


@pytest.mark.parametrize(
    ("http_status", "body", "status", "error"),
    [
        (  # OpenAI
            429,
            {
                "error": {
                    "message": "slow down",
                    "type": "requests",
                    "param": None,
                    "code": "rate_limit_exceeded",
                }
            },
            CallStatus.THROTTLED,
            "throttled:rate_limit_exceeded",
        ),
        (  # Azure
            400,
            {
                "error": {
                    "message": "filtered",
                    "code": None,
                    "innererror": {"code": "ResponsibleAIPolicyViolation"},
                }
            },
            CallStatus.CONTENT_REFUSED,
            "content_refused:ResponsibleAIPolicyViolation",
        ),
        (  # vLLM
            400,
            {
                "object": "error",
                "message": "maximum context length is 10",
                "type": "BadRequestError",
                "code": 400,
            },
            CallStatus.CONTEXT_TOO_LONG,
            "context_too_long:BadRequestError",
        ),
        (  # llama.cpp
            400,
            {"error": {"code": 400, "message": "too big", "type": "exceed_context_size_error", "n_ctx": 512}},
            CallStatus.CONTEXT_TOO_LONG,
            "context_too_long:exceed_context_size_error",
        ),
        (404, {"error": "model 'x' not found"}, CallStatus.CLIENT, "client:http_404"),  # Ollama
        (
            422,
            {"error": "inputs tokens + max_new_tokens must be <= 4096", "error_type": "validation"},
            CallStatus.CONTEXT_TOO_LONG,
            "context_too_long:validation",
        ),
        (
            422,
            {"detail": [{"loc": ["body"], "msg": "bad", "type": "missing"}]},
            CallStatus.CLIENT,
            "client:http_422",
        ),
        (400, {"detail": "prompt is too long"}, CallStatus.CONTEXT_TOO_LONG, "context_too_long:http_400"),
        (401, {"message": "Unauthorized"}, CallStatus.AUTH, "auth:http_401"),
        (  # Gemini
            429,
            [{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}],
            CallStatus.THROTTLED,
            "throttled:RESOURCE_EXHAUSTED",
        ),
        (502, b"<html>Bad Gateway</html>", CallStatus.SERVER, "server:http_502"),
        (503, b"", CallStatus.SERVER, "server:http_503"),
        (500, b"\xff\xff", CallStatus.SERVER, "server:http_500"),
        (500, {"error": None}, CallStatus.SERVER, "server:http_500"),
        (500, {"error": 5}, CallStatus.SERVER, "server:http_500"),
        (302, b"", CallStatus.CLIENT, "client:http_302"),
        # errors inside a 200
        (200, {"error": {"code": 502, "message": "upstream"}}, CallStatus.SERVER, "server:http_502"),
        (200, {"error": {"message": "x", "code": "429"}}, CallStatus.THROTTLED, "throttled:http_429"),
        (200, {"error": "model is loading"}, CallStatus.BAD_RESPONSE, "bad_response:error_in_success"),
        (200, {"detail": "Not Found"}, CallStatus.BAD_RESPONSE, "bad_response:error_in_success"),
        (200, {"object": "error", "type": "internal_error"}, CallStatus.SERVER, "server:internal_error"),
        (
            200,
            an_answer(
                choices=[{"message": {"content": "hal"}, "error": {"code": 502}, "finish_reason": "error"}]
            ),
            CallStatus.SERVER,
            "server:http_502",
        ),
    ],
)
def test_errors_are_read_in_every_shape(
    http_status: int, body: object, status: CallStatus, error: str
) -> None:
    outcome = read(a_response(body, http_status=http_status))
    assert (outcome.status, outcome.error, outcome.http_status) == (status, error, http_status)
    assert (outcome.content, outcome.usage is None or http_status == 200) == (None, True)


def test_an_empty_error_beside_an_answer_is_none() -> None:
    assert read(a_response(an_answer(error=None))).status is CallStatus.OK
    assert read(a_response(an_answer(error={}))).status is CallStatus.OK


def test_the_provider_can_forbid_a_retry() -> None:
    forbidden = {"x-should-retry": "false"}
    assert read(a_response({}, http_status=500)).retryable
    assert not read(a_response({}, http_status=500, headers=forbidden)).retryable


def test_no_repr_shows_prompt_or_answer() -> None:
    request = a_request(Task(prompt="my secret plan"))
    response = a_response(an_answer_with({"content": "my secret plan"}), headers={"x": "my secret plan"})
    for thing in (request, build(request, OTHER), response, read(response)):
        assert "secret" not in repr(thing)


# --- Anything at all -----------------------------------------------------------------------------------

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def shaped(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """JSON objects that have some of the fields, with the right or any content."""
    return st.fixed_dictionaries({}, optional={name: value | anything for name, value in fields.items()})


said = shaped(message=st.text(), type=st.text(), code=st.integers() | st.text(), innererror=anything)
details = shaped(cached_tokens=st.integers(), reasoning_tokens=st.integers())
tokens = shaped(
    prompt_tokens=st.integers(-5, 10**6),
    completion_tokens=st.integers(-5, 10**6),
    total_tokens=st.integers(-5, 10**6),
    prompt_tokens_details=details,
    completion_tokens_details=details,
)
part = shaped(type=st.just("text"), text=st.text())
message = shaped(
    content=st.text() | st.lists(part, max_size=3), tool_calls=st.lists(anything), refusal=st.text()
)
choice = shaped(
    message=message, finish_reason=st.sampled_from(["stop", "length", "content_filter"]), error=said
)
completion = shaped(
    id=st.text(),
    model=st.text(),
    choices=st.lists(choice, max_size=2),
    usage=tokens,
    error=said,
    detail=anything,
)


def assert_sane(outcome: CallOutcome) -> None:
    assert outcome.status not in {CallStatus.UNKNOWN, CallStatus.OUTCOME_UNKNOWN}
    assert (outcome.error is None) == (outcome.status is CallStatus.OK)
    assert not (outcome.status is CallStatus.OK and outcome.retryable)
    assert outcome.content is None or isinstance(outcome.content, str)
    if outcome.usage is not None:
        usage = outcome.usage
        assert 0 <= usage.cached_input_tokens <= usage.input_tokens
        assert 0 <= usage.reasoning_tokens <= usage.output_tokens
    orjson.dumps(outcome)


@given(st.binary(max_size=200), st.integers(100, 999))
def test_any_bytes_become_an_outcome(body: bytes, http_status: int) -> None:
    assert_sane(read(a_response(body, http_status=http_status)))


@settings(max_examples=400)
@given(completion | anything, st.sampled_from([200, 200, 201, 302, 400, 403, 413, 429, 500]))
def test_any_json_becomes_an_outcome(document: object, http_status: int) -> None:
    body = json.dumps(document).encode()  # unlike orjson it writes integers of any size
    assert_sane(read(a_response(body, http_status=http_status)))


@given(st.integers(0, len(orjson.dumps(ANSWER)) - 1))
def test_an_answer_cut_anywhere_is_a_bad_response(length: int) -> None:
    outcome = read(a_response(orjson.dumps(ANSWER)[:length]))
    assert (outcome.status, outcome.retryable) == (CallStatus.BAD_RESPONSE, True)
