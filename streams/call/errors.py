"""What went wrong with a call, classified once: a status, whether to try again, and a label for people.

Everything that asks "was it throttled?" or "may it be repeated?" asks the `Failure` made here. Exceptions
exist only inside this package and before the first call; a provider's failure never leaves it as one:

    CallError
    ├── UnusableSecretError     a key holds what an HTTP header cannot carry; raised when a caller is made
    ├── UnknownProviderError    a model names a provider that the settings do not have
    └── BodyTooLargeError       a response went on beyond the cap; classified, never seen outside
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field

import aiohttp
import httpx

from topics.events import CallStatus


class CallError(Exception):
    """Base of this package's exceptions."""


class UnusableSecretError(CallError):
    """The variable's value cannot stand in an HTTP header. The message does not repeat it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"environment variable {name} holds a character that no HTTP header can carry; look for quotes, "
            "spaces or line breaks that were copied along"
        )
        self.name = name


class UnknownProviderError(CallError):
    """No such provider in the settings."""

    def __init__(self, provider: str) -> None:
        super().__init__(f"no provider is called {provider}; add it under `providers` in sluice.yaml")
        self.provider = provider


class BodyTooLargeError(CallError):
    """The response's body is longer than what is read."""

    def __init__(self, cap_bytes: int) -> None:
        super().__init__(f"the response is longer than {cap_bytes} bytes")
        self.cap_bytes = cap_bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """A classified error."""

    status: CallStatus
    retryable: bool
    error: str
    """`<status>:<provider's code, reason or class>`; never content."""
    reached: bool = True
    """False: the request cannot have reached the provider."""


@dataclass(frozen=True, slots=True)
class ProviderError:
    """What a provider's error body says of itself."""

    code: str | None = None
    kind: str | None = None
    """`type` in OpenAI's shape."""
    message: str | None = field(default=None, repr=False)
    """Looked at to tell errors apart, kept nowhere: it may quote the prompt."""


_RETRYABLE = frozenset({CallStatus.THROTTLED, CallStatus.TIMEOUT, CallStatus.NETWORK, CallStatus.SERVER})

_CODES: dict[CallStatus, tuple[str, ...]] = {
    CallStatus.CONTEXT_TOO_LONG: (
        "context_length_exceeded",
        "context_window_exceeded",
        "contextwindowexceedederror",
        "exceed_context_size_error",
        "request_too_large",
        "string_above_max_length",
    ),
    CallStatus.CONTENT_REFUSED: (
        "content_filter",
        "content_policy_violation",
        "contentpolicyviolationerror",
        "data_inspection_failed",
        "moderation_blocked",
        "responsibleaipolicyviolation",
    ),
    # A key that is wrong, lacks a right or has no money behind it: a person must act.
    CallStatus.AUTH: (
        "account_deactivated",
        "authentication_error",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_balance",
        "insufficient_quota",
        "invalid_api_key",
        "invalid_authentication",
        "permission_denied",
        "permission_error",
        "unauthorized",
    ),
    CallStatus.THROTTLED: (
        "rate_limit_error",
        "rate_limit_exceeded",
        "resource_exhausted",
        "throttlingexception",
        "too_many_requests",
    ),
    CallStatus.SERVER: (
        "engine_overloaded",
        "internal_error",
        "internal_server_error",
        "internalservererror",
        "overloaded_error",
        "server_error",
        "service_unavailable",
    ),
}
_BY_CODE = {code: status for status, codes in _CODES.items() for code in codes}
"""Codes and types in lower case that mean the same at every HTTP status."""

_BY_HTTP_STATUS = {
    401: CallStatus.AUTH,
    402: CallStatus.AUTH,
    403: CallStatus.AUTH,
    407: CallStatus.AUTH,
    408: CallStatus.TIMEOUT,
    413: CallStatus.CONTEXT_TOO_LONG,
    425: CallStatus.SERVER,
    429: CallStatus.THROTTLED,
    498: CallStatus.THROTTLED,  # Groq: no capacity in the flex tier
    504: CallStatus.TIMEOUT,
    522: CallStatus.TIMEOUT,  # Cloudflare: could not connect to the origin
    524: CallStatus.TIMEOUT,  # Cloudflare: the origin did not answer
}
_SPLIT_BY_HTTP_STATUS = frozenset({CallStatus.CLIENT, CallStatus.SERVER})
_RETRYABLE_BY_HTTP_STATUS = {409: True, 501: False, 505: False}
"""Where it differs from what the status says. 409: another request with the same key is still running."""

_LOOKED_AT = 2_000
"""Characters of a message that are searched."""
_CONTEXT = re.compile(
    r"context (?:length|window|size)|too many (?:input )?tokens|reduce the length"
    r"|(?:prompt|input|request) (?:is )?too (?:long|large)|inputs?`? tokens? \+ `?max_new_tokens",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"content (?:management )?policy|requires moderation|flagged", re.IGNORECASE)
_CLEAN = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,63}")
"""What may be a code. No spaces and no hyphens: a sentence or a key does not pass as one."""

_HTTP_OK = 200
_HTTP_REDIRECT = 300
_HTTP_CLIENT_ERROR = 400
_HTTP_FORBIDDEN = 403
_HTTP_TOO_LARGE = 413
_HTTP_SERVER_ERROR = 500
_HTTP_END = 600


def is_success(http_status: int) -> bool:
    """2xx."""
    return _HTTP_OK <= http_status < _HTTP_REDIRECT


def classify_response(http_status: int, said: ProviderError) -> Failure:
    """An answer that is an error, by HTTP status and by what its body says.

    An error inside a 2xx is judged by its code; a numeric code of 400 to 599 stands for the HTTP status.
    Where it says nothing that is known the response is simply bad.
    """
    effective = _http_status_inside(said) if is_success(http_status) else http_status
    status = _status(effective, said)
    retryable = status in _RETRYABLE or (effective is None and status is CallStatus.BAD_RESPONSE)
    if status in _SPLIT_BY_HTTP_STATUS and effective is not None:
        retryable = _RETRYABLE_BY_HTTP_STATUS.get(effective, retryable)
    return Failure(status, retryable, f"{status.value}:{_label(effective, said)}")


def _status(effective: int | None, said: ProviderError) -> CallStatus:
    known = _by_code(said)
    # One request above the limit: waiting does not help. Groq says 413 with a throttling code.
    too_long = _matches(_CONTEXT, said) or effective == _HTTP_TOO_LARGE
    if known is not None:
        return CallStatus.CONTEXT_TOO_LONG if known is CallStatus.THROTTLED and too_long else known
    if effective == _HTTP_FORBIDDEN and _matches(_REFUSED, said):
        return CallStatus.CONTENT_REFUSED  # OpenRouter: the input was flagged
    by_http = CallStatus.BAD_RESPONSE if effective is None else _by_http_status(effective)
    return CallStatus.CONTEXT_TOO_LONG if too_long and by_http is not CallStatus.AUTH else by_http


def _by_code(said: ProviderError) -> CallStatus | None:
    for name in (said.code, said.kind):
        if name is not None and name.lower() in _BY_CODE:
            return _BY_CODE[name.lower()]
    return None


def _by_http_status(http_status: int) -> CallStatus:
    fallback = CallStatus.SERVER if http_status >= _HTTP_SERVER_ERROR else CallStatus.CLIENT
    return _BY_HTTP_STATUS.get(http_status, fallback)


def _matches(pattern: re.Pattern[str], said: ProviderError) -> bool:
    return said.message is not None and pattern.search(said.message[:_LOOKED_AT]) is not None


def _http_status_inside(said: ProviderError) -> int | None:
    code = said.code or ""
    if code.isascii() and code.isdigit() and len(code) == len("429"):
        number = int(code)
        return number if _HTTP_CLIENT_ERROR <= number < _HTTP_END else None
    return None


def _label(effective: int | None, said: ProviderError) -> str:
    for name in (said.code, said.kind):
        if name is not None and _CLEAN.fullmatch(name):
            return name
    return "error_in_success" if effective is None else f"http_{effective}"


def bad_response(reason: str, *, retryable: bool = False) -> Failure:
    """A 2xx that cannot be used; `reason` is a word of ours."""
    return Failure(CallStatus.BAD_RESPONSE, retryable, f"{CallStatus.BAD_RESPONSE.value}:{reason}")


def unsendable(reason: str) -> Failure:
    """A request that could not be put on the wire."""
    error = f"{CallStatus.CLIENT.value}:{reason}"
    return Failure(CallStatus.CLIENT, retryable=False, error=error, reached=False)


_BY_EXCEPTION: tuple[tuple[type[BaseException], CallStatus, bool, bool], ...] = (
    # class, status, retryable, reached. The first that fits; subclasses come before their bases.
    (BodyTooLargeError, CallStatus.BAD_RESPONSE, False, True),
    (aiohttp.ConnectionTimeoutError, CallStatus.TIMEOUT, True, False),
    (aiohttp.ServerTimeoutError, CallStatus.TIMEOUT, True, True),
    (aiohttp.ClientConnectorCertificateError, CallStatus.NETWORK, False, False),
    (aiohttp.ClientConnectorError, CallStatus.NETWORK, True, False),
    (aiohttp.ClientConnectionError, CallStatus.NETWORK, True, True),
    (aiohttp.ClientPayloadError, CallStatus.NETWORK, True, True),
    (aiohttp.InvalidURL, CallStatus.CLIENT, False, False),
    (aiohttp.ClientResponseError, CallStatus.BAD_RESPONSE, False, True),  # what came is not HTTP
    (httpx.ConnectTimeout, CallStatus.TIMEOUT, True, False),
    (httpx.PoolTimeout, CallStatus.TIMEOUT, True, False),
    (httpx.TimeoutException, CallStatus.TIMEOUT, True, True),
    (httpx.ConnectError, CallStatus.NETWORK, True, False),
    (httpx.ProxyError, CallStatus.NETWORK, True, False),
    (httpx.UnsupportedProtocol, CallStatus.CLIENT, False, False),
    (httpx.InvalidURL, CallStatus.CLIENT, False, False),
    (httpx.TransportError, CallStatus.NETWORK, True, True),
    (httpx.DecodingError, CallStatus.BAD_RESPONSE, False, True),
    (ssl.SSLCertVerificationError, CallStatus.NETWORK, False, False),
    (TimeoutError, CallStatus.TIMEOUT, True, True),
    (OSError, CallStatus.NETWORK, True, True),
    (ValueError, CallStatus.CLIENT, False, False),  # a header or an address that cannot be sent
)


def classify_exception(exc: BaseException) -> Failure:
    """What the HTTP stack raised instead of a response.

    The cause goes before its wrapper: the aiohttp transport turns a refused connection and a dropped one
    alike into httpx's ConnectTimeout.
    """
    cause = exc.__cause__ if isinstance(exc.__cause__, aiohttp.ClientError) else exc
    for kind, status, retryable, reached in _BY_EXCEPTION:
        if isinstance(cause, kind):
            return Failure(status, retryable, f"{status.value}:{_reason(cause)}", reached)
    return Failure(CallStatus.NETWORK, retryable=False, error=f"{CallStatus.NETWORK.value}:{_reason(cause)}")


def _reason(exc: BaseException) -> str:
    ours = {TimeoutError: "total_timeout", BodyTooLargeError: "body_too_large"}
    return ours.get(type(exc), type(exc).__name__)
