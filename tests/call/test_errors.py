"""Errors are classified once, by status, code and message, or by exception."""

from __future__ import annotations

import errno
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.call.errors import BodyTooLargeError, ProviderError, classify_exception, classify_response
from topics.events import CallStatus

KEY: Any = SimpleNamespace(host="h", port=1, ssl=True, is_ssl=True)
"""Stands for aiohttp's ConnectionKey, which only its messages look at."""


@pytest.mark.parametrize(
    ("http_status", "status", "retryable"),
    [
        (301, CallStatus.CLIENT, False),
        (400, CallStatus.CLIENT, False),
        (401, CallStatus.AUTH, False),
        (402, CallStatus.AUTH, False),
        (403, CallStatus.AUTH, False),
        (404, CallStatus.CLIENT, False),
        (408, CallStatus.TIMEOUT, True),
        (409, CallStatus.CLIENT, True),
        (413, CallStatus.CONTEXT_TOO_LONG, False),
        (418, CallStatus.CLIENT, False),
        (422, CallStatus.CLIENT, False),
        (425, CallStatus.SERVER, True),
        (429, CallStatus.THROTTLED, True),
        (498, CallStatus.THROTTLED, True),
        (500, CallStatus.SERVER, True),
        (501, CallStatus.SERVER, False),
        (502, CallStatus.SERVER, True),
        (503, CallStatus.SERVER, True),
        (504, CallStatus.TIMEOUT, True),
        (524, CallStatus.TIMEOUT, True),
        (529, CallStatus.SERVER, True),
    ],
)
def test_a_bare_http_status_is_enough(http_status: int, status: CallStatus, *, retryable: bool) -> None:
    failure = classify_response(http_status, ProviderError())
    assert (failure.status, failure.retryable) == (status, retryable)
    assert failure.error == f"{status.value}:http_{http_status}"


@pytest.mark.parametrize(
    ("http_status", "said", "status", "retryable", "error"),
    [
        (
            400,
            ProviderError("context_length_exceeded", "invalid_request_error"),
            CallStatus.CONTEXT_TOO_LONG,
            False,
            "context_too_long:context_length_exceeded",
        ),
        (  # vLLM
            400,
            ProviderError("400", "BadRequestError", "This model's maximum context length is 4096 tokens."),
            CallStatus.CONTEXT_TOO_LONG,
            False,
            "context_too_long:BadRequestError",
        ),
        (  # TGI
            422,
            ProviderError(None, "validation", "`inputs` tokens + `max_new_tokens` must be <= 4096"),
            CallStatus.CONTEXT_TOO_LONG,
            False,
            "context_too_long:validation",
        ),
        (  # Groq: one request over the limit of a minute
            413,
            ProviderError("rate_limit_exceeded", "tokens", "Request too large for model"),
            CallStatus.CONTEXT_TOO_LONG,
            False,
            "context_too_long:rate_limit_exceeded",
        ),
        (  # OpenAI, the same
            429,
            ProviderError(
                "rate_limit_exceeded", "tokens", "Request too large for gpt-4o: Limit 1, Requested 2"
            ),
            CallStatus.CONTEXT_TOO_LONG,
            False,
            "context_too_long:rate_limit_exceeded",
        ),
        (
            429,
            ProviderError("rate_limit_exceeded", "requests", "Rate limit reached for gpt-4o"),
            CallStatus.THROTTLED,
            True,
            "throttled:rate_limit_exceeded",
        ),
        (  # no money: waiting does not help
            429,
            ProviderError("insufficient_quota", "insufficient_quota", "You exceeded your current quota"),
            CallStatus.AUTH,
            False,
            "auth:insufficient_quota",
        ),
        (
            400,
            ProviderError("content_filter"),
            CallStatus.CONTENT_REFUSED,
            False,
            "content_refused:content_filter",
        ),
        (
            403,
            ProviderError(
                "403", None, "openai/gpt-4o requires moderation on OpenRouter. Your input was flagged"
            ),
            CallStatus.CONTENT_REFUSED,
            False,
            "content_refused:http_403",
        ),
        (401, ProviderError("invalid_api_key"), CallStatus.AUTH, False, "auth:invalid_api_key"),
        (404, ProviderError("model_not_found"), CallStatus.CLIENT, False, "client:model_not_found"),
        (503, ProviderError(None, "overloaded_error"), CallStatus.SERVER, True, "server:overloaded_error"),
        (
            500,
            ProviderError("RESOURCE_EXHAUSTED"),
            CallStatus.THROTTLED,
            True,
            "throttled:RESOURCE_EXHAUSTED",
        ),
        # Inside a 200:
        (200, ProviderError("429"), CallStatus.THROTTLED, True, "throttled:http_429"),
        (200, ProviderError("502"), CallStatus.SERVER, True, "server:http_502"),
        (
            200,
            ProviderError("rate_limit_exceeded"),
            CallStatus.THROTTLED,
            True,
            "throttled:rate_limit_exceeded",
        ),
        (200, ProviderError(None, "invalid_api_key"), CallStatus.AUTH, False, "auth:invalid_api_key"),
        (200, ProviderError("1234"), CallStatus.BAD_RESPONSE, True, "bad_response:error_in_success"),
        (200, ProviderError("weird"), CallStatus.BAD_RESPONSE, True, "bad_response:weird"),
    ],
)
def test_codes_and_messages_refine_the_status(
    http_status: int, said: ProviderError, status: CallStatus, error: str, *, retryable: bool
) -> None:
    failure = classify_response(http_status, said)
    assert (failure.status, failure.retryable, failure.error) == (status, retryable, error)


@pytest.mark.parametrize("code", ["Incorrect API key provided", "sk-abcdef123456", "a\nb", "ü", "x" * 65, ""])
def test_a_code_that_may_be_content_or_a_key_is_not_repeated(code: str) -> None:
    assert classify_response(400, ProviderError(code)).error == "client:http_400"


def test_the_message_is_never_in_the_label() -> None:
    said = ProviderError(None, None, "the prompt 'my secret plan' has context length 9999")
    assert "secret" not in classify_response(400, said).error
    assert "secret" not in repr(said)


def test_a_long_message_is_searched_only_at_its_beginning() -> None:
    said = ProviderError(None, None, "x" * 5_000_000 + " context length")
    assert classify_response(400, said).status is CallStatus.CLIENT


@given(st.integers(100, 999), st.none() | st.text(), st.none() | st.text(), st.none() | st.text())
def test_everything_gets_a_class(
    http_status: int, code: str | None, kind: str | None, message: str | None
) -> None:
    failure = classify_response(http_status, ProviderError(code, kind, message))
    assert failure.status not in {CallStatus.OK, CallStatus.UNKNOWN, CallStatus.OUTCOME_UNKNOWN}
    assert failure.error.startswith(f"{failure.status.value}:")
    assert len(failure.error) < 90


def wrapped(cause: Exception) -> Exception:
    """As the aiohttp transport raises it: httpx's class says the wrong thing, the cause the right one."""
    error = httpx.ConnectTimeout("wrong")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("exc", "status", "retryable", "reached"),
    [
        (TimeoutError(), CallStatus.TIMEOUT, True, True),
        (
            wrapped(aiohttp.ClientConnectorError(KEY, OSError(errno.ECONNREFUSED, ""))),
            CallStatus.NETWORK,
            True,
            False,
        ),
        (wrapped(aiohttp.ClientConnectorDNSError(KEY, OSError(-2, ""))), CallStatus.NETWORK, True, False),
        (
            wrapped(aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError(1, ""))),
            CallStatus.NETWORK,
            False,
            False,
        ),
        (wrapped(aiohttp.ConnectionTimeoutError()), CallStatus.TIMEOUT, True, False),
        (wrapped(aiohttp.SocketTimeoutError()), CallStatus.TIMEOUT, True, True),
        (wrapped(aiohttp.ServerDisconnectedError()), CallStatus.NETWORK, True, True),
        (wrapped(aiohttp.ClientOSError(errno.ECONNRESET, "")), CallStatus.NETWORK, True, True),
        (wrapped(aiohttp.ClientPayloadError()), CallStatus.NETWORK, True, True),
        (aiohttp.InvalidURL("http://"), CallStatus.CLIENT, False, False),
        (httpx.ConnectError(""), CallStatus.NETWORK, True, False),
        (httpx.ConnectTimeout(""), CallStatus.TIMEOUT, True, False),
        (httpx.ReadTimeout(""), CallStatus.TIMEOUT, True, True),
        (httpx.RemoteProtocolError(""), CallStatus.NETWORK, True, True),
        (httpx.DecodingError(""), CallStatus.BAD_RESPONSE, False, True),
        (BodyTooLargeError(1), CallStatus.BAD_RESPONSE, False, True),
        (ConnectionResetError(), CallStatus.NETWORK, True, True),
        (ValueError("header"), CallStatus.CLIENT, False, False),
        (RuntimeError("Session is closed"), CallStatus.NETWORK, False, True),
    ],
    ids=lambda value: type(value.__cause__ or value).__name__ if isinstance(value, Exception) else None,
)
def test_exceptions_are_classified_by_their_cause(
    exc: Exception, status: CallStatus, *, retryable: bool, reached: bool
) -> None:
    failure = classify_exception(exc)
    assert (failure.status, failure.retryable, failure.reached) == (status, retryable, reached)
