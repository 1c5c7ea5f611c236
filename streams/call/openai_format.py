"""OpenAI's chat completions on the wire, and what compatible servers make of them. Pure, no I/O.

`build` writes a request, `read` reads whatever came back; `read` never raises. Streaming is not spoken.
Source: OpenAI's API reference, "Create chat completion" and "Error codes"; what others do differently
stands where it is dealt with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from streams.call.errors import Failure, ProviderError, bad_response, classify_response, is_success
from streams.call.exchange import CallOutcome, WireRequest
from streams.call.rate_limits import rate_limits_of
from streams.call.usage import UsageError, usage_of
from topics.events import CallStatus, Role

if TYPE_CHECKING:
    from streams.call.exchange import CallRequest, WireResponse
    from topics.events import Message, Task, Usage
    from topics.events.vocabulary import JsonObject

PATH: Final = "/chat/completions"

_OPENAI_HOST = re.compile(
    r"^https?://(?:[^/@?#]*\.)?"
    r"(?:openai\.com|openai\.azure\.com|cognitiveservices\.azure\.com|services\.ai\.azure\.com)(?:[:/?#]|$)",
    re.IGNORECASE,
)
_OPENAI_REASONING_MODEL = re.compile(r"^(?:o[0-9]|gpt-[5-9])", re.IGNORECASE)
"""Without a maker's prefix: who writes `openai/o3` is a gateway and translates by itself."""
_PASSED_ON = ("temperature", "top_p", "stop", "seed", "response_format", "tools", "tool_choice")
"""Fields of a task that the format has under the same name."""
_TEXT_PARTS = frozenset({"text", "output_text"})
_LONGEST_NAME = 256
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id")


# --- Request -------------------------------------------------------------------------------------------


def build(request: CallRequest, base_url: str) -> WireRequest:
    """The request in this format.

    Raises:
        TypeError: something in the task cannot be JSON (a lone surrogate, an integer beyond 64 bits).
    """
    task, model = request.task, request.model.provider_model
    native = speaks_openai(base_url, model)
    body: JsonObject = {"model": model, "messages": [_message(m, native=native) for m in task.conversation()]}
    body["max_completion_tokens" if native else "max_tokens"] = request.max_tokens
    body.update(_parameters(task))
    headers = (("content-type", "application/json"), ("idempotency-key", request.call_id))
    return WireRequest(PATH, headers, orjson.dumps(body))


@lru_cache(maxsize=4096)
def speaks_openai(base_url: str, provider_model: str) -> bool:
    """Whether the newest dialect is understood: `max_completion_tokens` and the role `developer`.

    OpenAI's and Azure's hosts know it for every model, and their reasoning models refuse the older
    `max_tokens` behind a relay under another name as well. Most other servers know only the older one.
    """
    return bool(_OPENAI_HOST.match(base_url) or _OPENAI_REASONING_MODEL.match(provider_model))


def _message(message: Message, *, native: bool) -> JsonObject:
    role = Role.SYSTEM if message.role is Role.DEVELOPER and not native else message.role
    wire: JsonObject = {"role": role.value, "content": message.content}
    if message.name is not None:
        wire["name"] = message.name
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.tool_calls is not None:
        wire["tool_calls"] = message.tool_calls
    return wire


def _parameters(task: Task) -> JsonObject:
    given = ((name, getattr(task, name)) for name in _PASSED_ON)
    return {name: value for name, value in given if value is not None}


# --- Response ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Answer:
    """The part of a response that answers."""

    content: str | None = None
    tool_calls: tuple[JsonObject, ...] | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    failure: Failure | None = None


class _Flaw(StrEnum):
    """How JSON can fail to be of this format."""

    NOT_AN_OBJECT = auto()
    NO_CHOICES = auto()
    NO_MESSAGE = auto()
    NO_ANSWER = auto()
    CONTENT = auto()
    TOOL_CALLS = auto()


class _ShapeError(Exception):
    """The response is JSON but not of this format."""

    def __init__(self, flaw: _Flaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw


def read(response: WireResponse) -> CallOutcome:
    """What the response says, whatever it is. Never raises."""
    headers = response.headers
    document = _parsed(response.body)
    body: JsonObject = document if isinstance(document, dict) else {}
    answer = _answered(response, document)
    failure = answer.failure
    limits = rate_limits_of(headers, response.received_at)
    return CallOutcome(
        status=CallStatus.OK if failure is None else failure.status,
        retryable=failure is not None and failure.retryable and headers.get("x-should-retry") != "false",
        latency_s=response.latency_s,
        usage=answer.usage,
        content=answer.content,
        tool_calls=answer.tool_calls,
        finish_reason=answer.finish_reason,
        http_status=response.http_status,
        error=None if failure is None else failure.error,
        request_id=_request_id(response, body),
        response_model=_name(body.get("model")),
        rate_limits=limits,
        retry_after_s=None if limits is None else limits.retry_after_s,
    )


class _Unreadable:
    """Stands for a body that is not JSON; None is JSON's null."""


_UNREADABLE: Final = _Unreadable()


def _parsed(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _UNREADABLE


def _answered(response: WireResponse, document: object) -> _Answer:
    if not is_success(response.http_status):
        said = _error_of(document, success=False) or ProviderError()
        return _Answer(failure=classify_response(response.http_status, said))
    if document is _UNREADABLE:
        return _Answer(failure=_why_unreadable(response.body))
    said_anyway = _error_of(document, success=True)
    if said_anyway is not None:
        return _Answer(failure=classify_response(response.http_status, said_anyway))
    if not isinstance(document, dict):
        return _Answer(failure=bad_response(_Flaw.NOT_AN_OBJECT.value))
    try:
        return _choice_answer(document, response.http_status)
    except _ShapeError as error:
        return _Answer(failure=bad_response(error.flaw.value))


def _why_unreadable(body: bytes) -> Failure:
    """Retryable where it looks like an accident on the way; a page or a wrong encoding would come again."""
    text = body.strip()
    if not text:
        return bad_response("empty_body", retryable=True)
    if text.startswith(b"<"):
        return bad_response("html")
    if text.startswith(b"data:"):
        return bad_response("unasked_stream")
    try:
        text.decode()
    except UnicodeDecodeError:
        return bad_response("invalid_utf8")
    return bad_response("invalid_json", retryable=True)


def _choice_answer(document: JsonObject, http_status: int) -> _Answer:
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _ShapeError(_Flaw.NO_CHOICES)
    choice: JsonObject = choices[0]
    finish_reason = _name(choice.get("finish_reason"))
    usage, failure = _usage(document.get("usage"))
    inside = _error_of(choice, success=True)
    if inside is not None:  # OpenRouter: the model broke off in the middle
        broken = classify_response(http_status, inside)
        return _Answer(finish_reason=finish_reason, usage=usage, failure=broken)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise _ShapeError(_Flaw.NO_MESSAGE)
    content, tool_calls = _content(message.get("content")), _tool_calls(message.get("tool_calls"))
    refusal = _refusal(message.get("refusal"))
    if finish_reason == "content_filter":
        failure = _refused("content_filter")
    elif refusal is not None and not content:
        content, failure = refusal, _refused("refusal")
    elif content is None and tool_calls is None and finish_reason is None:
        raise _ShapeError(_Flaw.NO_ANSWER)
    return _Answer(content, tool_calls, finish_reason, usage, failure)


def _usage(value: object) -> tuple[Usage | None, Failure | None]:
    """Usage that makes no sense makes the response bad; the answer is kept, it is probably paid for."""
    try:
        return usage_of(value), None
    except UsageError:
        return None, bad_response("usage")


def _refused(reason: str) -> Failure:
    return Failure(CallStatus.CONTENT_REFUSED, retryable=False, error=f"content_refused:{reason}")


def _refusal(value: object) -> str | None:
    return value or None if isinstance(value, str) else None


def _content(value: object) -> str | None:
    """Text, or the text among content parts (Mistral's reasoning models answer in parts)."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise _ShapeError(_Flaw.CONTENT)
    texts = [part.get("text") for part in value if part.get("type") in _TEXT_PARTS]
    if not all(isinstance(text, str) for text in texts):
        raise _ShapeError(_Flaw.CONTENT)
    return "".join(texts)


def _tool_calls(value: object) -> tuple[JsonObject, ...] | None:
    """None where there are none; vLLM writes an empty list into every answer."""
    if value is None or value == []:
        return None
    if not isinstance(value, list) or not all(isinstance(call, dict) for call in value):
        raise _ShapeError(_Flaw.TOOL_CALLS)
    return tuple(value)


# --- Errors in a body ----------------------------------------------------------------------------------


def _error_of(document: object, *, success: bool) -> ProviderError | None:
    """The error that a body describes, or None where it describes none.

    Shapes: OpenAI's `{"error": {...}}`, the same in a list (Gemini), `{"error": "text"}` (Ollama, TGI),
    `{"object": "error", ...}` (vLLM, Mistral), `{"detail": ...}` (FastAPI), `{"message": ...}` (gateways).
    The last counts only where the HTTP status is an error, the one before it also where no answer stands
    beside it.
    """
    if isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if isinstance(error, dict) and error:
        return _from_object(error)
    if error:
        text = error if isinstance(error, str) else None
        return ProviderError(kind=_word(document.get("error_type")), message=text)
    answered = success and ("choices" in document or "message" in document)
    detail = document.get("detail")
    if isinstance(detail, str | list) and detail and not answered:
        return ProviderError(message=_detail(detail))
    if document.get("object") == "error" or not success:
        return _from_object(document)
    return None


def _from_object(error: JsonObject) -> ProviderError:
    message, inner = error.get("message"), error.get("innererror")
    code = _word(error.get("code"))
    if code is None and isinstance(inner, dict):
        code = _word(inner.get("code"))
    return ProviderError(
        code=code,
        kind=_word(error.get("type")) or _word(error.get("status")),
        message=message if isinstance(message, str) else None,
    )


def _detail(detail: str | list[Any]) -> str | None:
    if isinstance(detail, str):
        return detail
    first = detail[0]
    message = first.get("msg") if isinstance(first, dict) else first
    return message if isinstance(message, str) else None


def _word(value: object) -> str | None:
    if isinstance(value, str):
        return value[:_LONGEST_NAME] or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _name(value: object) -> str | None:
    return value[:_LONGEST_NAME] or None if isinstance(value, str) else None


def _request_id(response: WireResponse, body: JsonObject) -> str | None:
    """From the headers; else the id that the body gives the completion."""
    for header in _REQUEST_IDS:
        value = response.headers.get(header)
        if value:
            return value[:_LONGEST_NAME]
    return _name(body.get("id"))
