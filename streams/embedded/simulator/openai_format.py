"""OpenAI's chat completions as bytes: requests read, answers, chunks, errors and headers written. No I/O.

Written after OpenAI's API reference: `stream_options.include_usage` adds a chunk with the usage and no choices
before `[DONE]`, and every other chunk then carries `usage: null`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

import orjson

from streams.embedded.simulator.answers import CHARS_PER_TOKEN
from streams.embedded.simulator.requests import ModelRequest, Rejection, RejectionKind, Reply, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.embedded.simulator.buckets import Headroom
    from streams.embedded.simulator.models import SimulatedModel

DONE = b"data: [DONE]\n\n"

_IMAGE_TOKENS = 85
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_FINGERPRINT = "fp_simulated"
_PIECE = re.compile(r"\S+\s*|\s+")

# status, type, param, code
_ERRORS: dict[RejectionKind, tuple[int, str, str | None, str | None]] = {
    "unknown_model": (404, "invalid_request_error", None, "model_not_found"),
    "unauthorized": (401, "invalid_request_error", None, "invalid_api_key"),
    "context_too_long": (400, "invalid_request_error", "messages", "context_length_exceeded"),
    "bad_schema": (400, "invalid_request_error", "response_format", None),
    "key_reused": (400, "invalid_request_error", None, "idempotency_key_reused"),
    "requests_throttled": (429, "requests", None, "rate_limit_exceeded"),
    "tokens_throttled": (429, "tokens", None, "rate_limit_exceeded"),
    "server_error": (500, "server_error", None, None),
}


class BadRequestError(Exception):
    """A body that OpenAI would answer with 400."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A parsed call: what goes to the engine, and what concerns the wire format alone."""

    request: ModelRequest
    stream: bool
    include_usage: bool


# --- Reading ---------------------------------------------------------------------------------------------


def read_chat(body: bytes, headers: Mapping[str, str]) -> ChatCall:
    """A call from its body and headers.

    Raises:
        BadRequestError: it is none.
    """
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        message = "We could not parse the JSON body of your request."
        raise BadRequestError(message) from error
    if not isinstance(values, dict):
        message = "The body of the request must be a JSON object."
        raise BadRequestError(message)
    model = values.get("model")
    if not isinstance(model, str) or not model:
        message = "you must provide a model parameter"
        raise BadRequestError(message, param="model")
    messages = _messages(values.get("messages"))
    stream, include_usage = _streaming(values)
    shape = _response_format(values.get("response_format"))
    if values.get("n") not in (None, 1):
        message = "Simulated models give one answer: 'n' must be 1."
        raise BadRequestError(message, param="n", code="unsupported_value")
    texts = tuple(text for _, text, _ in messages)
    questions = [text for role, text, _ in messages if role == "user"] or [texts[-1]]
    tools = values.get("tools")
    request = ModelRequest(
        model=model,
        messages=texts,
        question=questions[-1],
        other_tokens=sum(other for _, _, other in messages) + (_json_tokens(tools) if tools else 0),
        max_output_tokens=_max_tokens(values),
        shape="text" if shape is None else "json",
        schema=shape or None,
        api_key=_bearer(headers.get("Authorization")),
        idempotency_key=headers.get("Idempotency-Key") or None,
    )
    return ChatCall(request, stream, include_usage)


def _messages(value: object) -> list[tuple[str, str, int]]:
    """Role, text and tokens beside the text of each."""
    if value is None:
        message = "Missing required parameter: 'messages'."
        raise BadRequestError(message, param="messages", code="missing_required_parameter")
    if not isinstance(value, list):
        _wrong_type("messages", "an array of objects", value)
    if not value:
        message = "Invalid 'messages': empty array. Expected an array with minimum length 1."
        raise BadRequestError(message, param="messages", code="empty_array")
    return [_message(f"messages[{index}]", each) for index, each in enumerate(value)]


def _message(where: str, value: object) -> tuple[str, str, int]:
    if not isinstance(value, dict):
        _wrong_type(where, "an object", value)
    role = value.get("role")
    if role not in _ROLES:
        message = f"Invalid value: '{role}'. Supported values are: {', '.join(map(repr, _ROLES))}."
        raise BadRequestError(message, param=f"{where}.role", code="invalid_value")
    content, calls = value.get("content"), value.get("tool_calls")
    other = _json_tokens(calls) if calls else 0
    if isinstance(content, str):
        return role, content, other
    if isinstance(content, list):
        text, more = _parts(f"{where}.content", content)
        return role, text, other + more
    if content is not None or role != "assistant":
        _wrong_type(f"{where}.content", "a string or an array of objects", content)
    return role, "", other


def _parts(where: str, parts: list[object]) -> tuple[str, int]:
    texts: list[str] = []
    tokens = 0
    for index, part in enumerate(parts):
        if not isinstance(part, dict):
            _wrong_type(f"{where}[{index}]", "an object", part)
        if part.get("type") != "text":
            tokens += _IMAGE_TOKENS
        elif isinstance(part.get("text"), str):
            texts.append(cast("str", part["text"]))
        else:
            _wrong_type(f"{where}[{index}].text", "a string", part.get("text"))
    return "\n".join(texts), tokens


def _streaming(values: dict[str, Any]) -> tuple[bool, bool]:
    """Whether to stream, and whether with usage."""
    stream, options = values.get("stream") or False, values.get("stream_options")
    if not isinstance(stream, bool):
        _wrong_type("stream", "a boolean", stream)
    if options is None:
        return stream, False
    if not isinstance(options, dict):
        _wrong_type("stream_options", "an object", options)
    if not stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise BadRequestError(message, param="stream_options")
    return stream, options.get("include_usage") is True


def _response_format(value: object) -> dict[str, Any] | None:
    """The schema to answer in, empty for any JSON; None for text."""
    if value is None:
        return None
    if not isinstance(value, dict):
        _wrong_type("response_format", "an object", value)
    match value.get("type"):
        case "text":
            return None
        case "json_object":
            return {}
        case "json_schema":
            declared = value.get("json_schema")
            if not isinstance(declared, dict) or not isinstance(declared.get("schema", {}), dict):
                _wrong_type("response_format.json_schema", "an object with a 'schema'", declared)
            return cast("dict[str, Any]", declared.get("schema", {}))
        case other:
            message = (
                f"Invalid value: '{other}'. Supported values are: 'text', 'json_object' and 'json_schema'."
            )
            raise BadRequestError(message, param="response_format.type", code="invalid_value")


def _max_tokens(values: dict[str, Any]) -> int | None:
    given = [k for k in ("max_completion_tokens", "max_tokens") if values.get(k) is not None]
    if len(given) > 1:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise BadRequestError(message, param="max_tokens", code="invalid_parameter_combination")
    for name in given:
        value = values[name]
        if not isinstance(value, int) or isinstance(value, bool):
            _wrong_type(name, "an integer", value)
        if value < 1:
            message = (
                f"Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {value}."
            )
            raise BadRequestError(message, param=name, code="integer_below_min_value")
        return value
    return None


def _bearer(header: str | None) -> str | None:
    scheme, _, key = (header or "").partition(" ")
    return (key.strip() or None) if scheme.lower() == "bearer" else None


def _json_tokens(value: object) -> int:
    return len(orjson.dumps(value)) // CHARS_PER_TOKEN


def _wrong_type(param: str, expected: str, value: object) -> NoReturn:
    names = {str: "a string", list: "an array", dict: "an object", bool: "a boolean", type(None): "null"}
    got = names.get(type(value), "a number")
    message = f"Invalid type for '{param}': expected {expected}, but got {got} instead."
    raise BadRequestError(message, param=param, code="invalid_type")


# --- Writing ---------------------------------------------------------------------------------------------


def completion(model: str, reply: Reply) -> bytes:
    """The body of an answer that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", **_content(reply), "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reply.finish}
    body = _envelope(model, reply, "chat.completion")
    return orjson.dumps({**body, "choices": [choice], "usage": _usage(reply.usage)})


def _content(reply: Reply) -> dict[str, str | None]:
    return {"content": reply.text, "refusal": None}


def _envelope(model: str, reply: Reply, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{reply.reply_id}",
        "object": kind,
        "created": reply.created_s,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": _FINGERPRINT,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


class ChunkWriter:
    """The events of one streamed answer."""

    def __init__(self, model: str, reply: Reply, *, include_usage: bool) -> None:
        self._envelope = _envelope(model, reply, "chat.completion.chunk")
        self._reply = reply
        self._include_usage = include_usage

    def first(self) -> bytes:
        """Says who speaks."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None}, None)

    def piece(self, text: str) -> bytes:
        """A part of the answer."""
        return self._chunk({"content": text}, None)

    def last(self) -> bytes:
        """Why it ends; then the usage where it was asked for; then `[DONE]`."""
        events = self._chunk({}, self._reply.finish)
        if self._include_usage:
            events += _event({**self._envelope, "choices": [], "usage": _usage(self._reply.usage)})
        return events + DONE

    def _chunk(self, delta: dict[str, Any], finish: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if self._include_usage else {}
        return _event({**self._envelope, "choices": [choice], **usage})


def _event(values: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(values) + b"\n\n"


def pieces(text: str, most: int) -> list[str]:
    """The text in at most that many parts of whole words; joined they are the text again."""
    words = _PIECE.findall(text)
    if not words:
        return []
    size = -(-len(words) // max(most, 1))
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> bytes:
    """The body of every error."""
    return orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}})


def rejected(rejection: Rejection) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of a rejection."""
    status, kind, param, code = _ERRORS[rejection.kind]
    headers: dict[str, str] = {}
    if rejection.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(rejection.retry_after_s))
        headers["retry-after-ms"] = str(math.ceil(rejection.retry_after_s * 1000))
    return rejection.status or status, error_body(rejection.message, kind, param, code), headers


def limit_headers(headroom: Iterable[Headroom]) -> dict[str, str]:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`."""
    headers: dict[str, str] = {}
    for each in headroom:
        headers[f"x-ratelimit-limit-{each.resource}"] = str(each.limit)
        headers[f"x-ratelimit-remaining-{each.resource}"] = str(each.remaining)
        headers[f"x-ratelimit-reset-{each.resource}"] = duration_text(each.reset_s)
    return headers


def duration_text(seconds: float) -> str:
    """As OpenAI writes durations: `0s`, `12ms`, `8.64s`, `6m0s`, `1h0m0s`."""
    whole_ms = math.ceil(seconds * 1000 - 1e-6)
    if 0 < whole_ms < 1000:  # noqa: PLR2004 - milliseconds of a second
        return f"{whole_ms}ms"
    minutes, ms = divmod(whole_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{ms / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def listed(model: SimulatedModel, created_s: int) -> dict[str, Any]:
    """A model as `/v1/models` lists it; what follows `owned_by` is not OpenAI's."""
    prices = model.prices
    return {
        "id": model.name,
        "object": "model",
        "created": created_s,
        "owned_by": model.provider,
        "tier": model.tier,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "quality": model.quality,
        "pricing": prices
        and {
            "input_usd_per_mtok": prices.input_usd_per_mtok,
            "output_usd_per_mtok": prices.output_usd_per_mtok,
            "cached_input_usd_per_mtok": prices.cached_input_usd_per_mtok,
            "request_usd": prices.request_usd,
        },
    }
