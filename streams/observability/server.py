"""/healthz, /readyz and /metrics on a port of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from topics.codec import encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from prometheus_client import CollectorRegistry


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a probe passes, and what it is based on."""

    ok: bool
    details: dict[str, Any] = field(default_factory=dict)


class ProbeServer:
    """Serves the probes while entered. `port` is the one that was really taken."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        health: Callable[[], Verdict],
        ready: Callable[[], Verdict],
        metrics: CollectorRegistry,
    ) -> None:
        self.host = host
        self.port = port
        self._metrics = metrics
        app = web.Application()
        app.router.add_get("/healthz", _probe(health))
        app.router.add_get("/readyz", _probe(ready))
        app.router.add_get("/metrics", self._serve_metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except BaseException:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    async def _serve_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._metrics), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


def _probe(judge: Callable[[], Verdict]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        verdict = judge()
        body = encode({"status": "ok" if verdict.ok else "failing", **verdict.details})
        return web.Response(body=body, status=200 if verdict.ok else 503, content_type="application/json")

    return answer
