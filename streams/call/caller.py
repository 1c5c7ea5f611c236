"""Calling a model: picks the provider's wire format and transport, turns whatever happens into an outcome.

How many calls run at once, whether one is repeated and what it cost are the router's questions.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, Self

from streams.call import openai_format
from streams.call.errors import UnknownProviderError, classify_exception, unsendable
from streams.call.exchange import CallOutcome
from streams.call.transport import ProviderTransport, aiohttp_transport, tls_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    import httpx

    from streams.call.errors import Failure
    from streams.call.exchange import CallRequest, WireRequest, WireResponse
    from streams.config.settings import Provider


class WireFormat(Protocol):
    """What a module of a wire format offers."""

    def build(self, request: CallRequest, base_url: str) -> WireRequest:
        """The request on the wire; TypeError or ValueError where the task cannot be put there."""

    def read(self, response: WireResponse) -> CallOutcome:
        """What the response says; never raises."""


_FORMATS: dict[str, WireFormat] = {"openai": openai_format}


class Caller:
    """Calls models at all providers of the settings.

    `async with` opens and closes the connections; calls in flight at the end are cut off, so drain first.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        environ: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        transport: Callable[[Provider], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        """Resolve every key; nothing is opened yet.

        Args:
            providers: by name.
            environ: where keys, SSL_CERT_FILE and SSL_CERT_DIR are looked up, once.
            clock: seconds, for latencies.
            wall_clock: seconds since the epoch, for instants that providers name.
            transport: makes the transport of a provider; without it aiohttp's connections.

        Raises:
            MissingSecretError: a provider's key is not in `environ`.
            UnusableSecretError: it is, but no HTTP header can carry it.
        """
        secure = any(provider.base_url.startswith("https:") for provider in providers.values())
        tls = tls_context(environ) if secure else None
        make = transport or (lambda provider: aiohttp_transport(provider, tls))
        self._providers = dict(providers)
        self._clock = clock
        self._transports = {
            name: ProviderTransport(provider, environ, make(provider), clock=clock, wall_clock=wall_clock)
            for name, provider in providers.items()
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in self._transports.values():
            await transport.aclose()

    async def call(self, request: CallRequest) -> CallOutcome:
        """One call, one outcome. Never raises for what a provider does; cancelling it cancels the call.

        Raises:
            UnknownProviderError: the model's provider is not among those given.
        """
        provider = self._providers.get(request.model.provider)
        if provider is None:
            raise UnknownProviderError(request.model.provider)
        wire_format = _FORMATS[provider.format]
        started = self._clock()
        try:
            wire = wire_format.build(request, provider.base_url)
        except (TypeError, ValueError):
            return self._failed(unsendable("not_json"), started)
        try:
            response = await self._transports[request.model.provider].send(wire, request.timeout_s)
        except Exception as error:  # noqa: BLE001 - whatever is raised, the task must get an outcome
            return self._failed(classify_exception(error), started)
        return wire_format.read(response)

    def _failed(self, failure: Failure, started: float) -> CallOutcome:
        return CallOutcome(
            status=failure.status,
            retryable=failure.retryable,
            latency_s=max(0.0, self._clock() - started),
            error=failure.error,
            reached=failure.reached,
        )
