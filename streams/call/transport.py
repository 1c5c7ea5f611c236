"""The one place that talks HTTP to providers: sends a `WireRequest`, reads the response to its end.

httpx's transport interface on aiohttp's connections: a fraction of the CPU of httpx's own. The transport is
used without httpx's client, whose redirects, cookies, auth flow and log lines are not wanted here and cost
CPU. Wire formats, classification and retries are not its business.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from streams.call.errors import BodyTooLargeError, UnusableSecretError
from streams.call.exchange import WireResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from streams.call.exchange import WireRequest
    from streams.config.settings import Provider

MAX_BODY_BYTES = 16 * 2**20
"""Longest body that is read; the longest answers of today's models are below 1 MiB."""

_MAX_HEADER_BYTES = 64 * 2**10
_USER_AGENT = b"sluice"


class ProviderTransport:
    """Connections to one provider, with its key. Prints neither the key nor a request."""

    def __init__(
        self,
        provider: Provider,
        environ: Mapping[str, str],
        transport: httpx.AsyncBaseTransport,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        """Take over `transport`; it is closed by `aclose`.

        Raises:
            MissingSecretError: the provider's key is not in `environ`.
            UnusableSecretError: it is, but no header can carry it.
        """
        self._base = httpx.URL(provider.base_url)
        self._urls: dict[str, httpx.URL] = {}
        self._transport = transport
        self._clock = clock
        self._wall_clock = wall_clock
        self._timeout_s = provider.timeout_s
        self._connect_timeout_s = provider.connect_timeout_s
        # Identity: an answer is a few kilobytes, and the cap on the body means what it says.
        # Kept as Headers, whose repr masks the key.
        self._headers = httpx.Headers(
            [
                (b"host", self._base.netloc),
                (b"user-agent", _USER_AGENT),
                (b"accept", b"application/json"),
                (b"accept-encoding", b"identity"),
                *_authorization(provider, environ),
            ]
        )

    async def send(self, request: WireRequest, timeout_s: float) -> WireResponse:
        """One exchange, body included. Cancelling it closes the connection.

        Args:
            request: what to send.
            timeout_s: longest that all of it may take; the provider's own limit cuts it.

        Raises:
            TimeoutError: it took longer, however steadily bytes were trickling in.
            BodyTooLargeError: the body goes on beyond `MAX_BODY_BYTES`.
            Exception: whatever else the HTTP stack raises; `errors.classify_exception` knows it.
        """
        own = ((name.encode(), value.encode()) for name, value in request.headers)
        wire = httpx.Request(
            "POST",
            self._url(request.path),
            headers=[*self._headers.raw, *own],
            content=request.body,
            extensions={"timeout": {"connect": self._connect_timeout_s}},
        )
        started = self._clock()
        async with asyncio.timeout(min(timeout_s, self._timeout_s)):
            response = await self._transport.handle_async_request(wire)
            try:
                body = await _read(response)
            finally:
                await response.aclose()
        raw = response.headers.raw
        return WireResponse(
            http_status=response.status_code,
            headers={name.lower().decode("latin-1"): value.decode("latin-1") for name, value in raw},
            body=body,
            latency_s=max(0.0, self._clock() - started),
            received_at=self._wall_clock(),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    def _url(self, path: str) -> httpx.URL:
        """The base's path and `path`, with the base's query (`?api-version=`) after them."""
        url = self._urls.get(path)
        if url is None:
            url = self._base.copy_with(path=self._base.path.rstrip("/") + path)
            self._urls[path] = url
        return url


def _authorization(provider: Provider, environ: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    if provider.api_key is None:
        return []
    key = provider.api_key.resolve(environ).strip()  # files of secrets tend to end in a line break
    if not key.isascii() or not key.isprintable() or " " in key or not key:
        raise UnusableSecretError(provider.api_key.name)
    return [(b"authorization", b"Bearer " + key.encode())]


async def _read(response: httpx.Response) -> bytes:
    declared = response.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > MAX_BODY_BYTES:
        raise BodyTooLargeError(MAX_BODY_BYTES)
    chunks, length = [], 0
    async for chunk in _decoded(response):
        length += len(chunk)
        if length > MAX_BODY_BYTES:
            raise BodyTooLargeError(MAX_BODY_BYTES)
        chunks.append(chunk)
    return b"".join(chunks)


def _decoded(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body's bytes; decompressed where the server compresses without being asked."""
    if "content-encoding" in response.headers or not isinstance(response.stream, httpx.AsyncByteStream):
        return response.aiter_bytes()
    return response.stream.__aiter__()


def tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Trusts what SSL_CERT_FILE or SSL_CERT_DIR name, else the authorities that httpx ships with."""
    file, folder = environ.get("SSL_CERT_FILE") or None, environ.get("SSL_CERT_DIR") or None
    if file or folder:
        context = ssl.create_default_context(cafile=file, capath=folder)
    else:
        context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context


def aiohttp_transport(provider: Provider, tls: ssl.SSLContext | None) -> httpx.AsyncBaseTransport:
    """The transport of production: at most `max_concurrency` connections, no cookies, no proxies.

    Args:
        provider: where to.
        tls: None for providers on plain HTTP.
    """

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=provider.max_concurrency, ssl=tls or True)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )

    return AiohttpTransport(verify=tls or False, client=session)
