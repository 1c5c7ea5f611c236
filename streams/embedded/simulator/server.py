"""The simulated providers as a running HTTP server, for the command line, the demo and tests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

import structlog
from aiohttp import web

from streams.embedded.simulator.admin import AdminFront
from streams.embedded.simulator.defaults import default_models
from streams.embedded.simulator.engine import Engine
from streams.embedded.simulator.incidents import Incident, parse_incident
from streams.embedded.simulator.openai_front import OpenAIFront

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from streams.embedded.simulator.models import SimulatedModel
    from streams.embedded.simulator.outcomes import Outcomes

_LONGEST_BODY = 32 * 1024 * 1024
_SHUTDOWN_S = 1.0

log = structlog.get_logger()


class Simulator:
    """Simulated providers on a port of this machine, serving inside `async with`.

    Args:
        models: the models; without them the outcomes' models, and without those the packaged six.
        host: address to listen on.
        port: port to listen on; 0 for any free one.
        speed: factor on every latency; 0.05 is twenty times as fast, 0 has no latency. Limits are not scaled.
        seed: decides answers and luck.
        outcomes: recorded answers to known prompts.
        clock: monotonic seconds, for limits, incidents and memory.
    """

    def __init__(
        self,
        models: Iterable[SimulatedModel] | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        seed: int = 0,
        outcomes: Outcomes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if models is None:
            models = default_models() if outcomes is None else outcomes.models()
        self._engine = Engine(models, speed=speed, seed=seed, outcomes=outcomes, clock=clock)
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def models(self) -> tuple[SimulatedModel, ...]:
        """The models it serves."""
        return tuple(self._engine.models.values())

    @property
    def url(self) -> str:
        """`http://127.0.0.1:8099`; OpenAI's paths are below `/v1`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def base_url(self) -> str:
        """The address that goes into sluice.yaml as a provider's `base_url`."""
        return f"{self.url}/v1"

    def incident(self, model: str, kind: str, **fields: object) -> Incident:
        """Let something go wrong with a model (`*`: with all) from now on.

        Raises:
            IncidentError: no such model, kind or field; see `Incident` for them.
        """
        incident = parse_incident({"model": model, "kind": kind, **fields})
        self._engine.incident(incident)
        return incident

    def clear_incidents(self) -> int:
        """End all incidents; tells how many there were."""
        return self._engine.incidents.clear()

    def stats(self) -> dict[str, Any]:
        """Counts per model, their sum, and requests without a known model."""
        return self._engine.tally.told()

    def reset(self) -> None:
        """As just started: full buckets, no incidents, nothing counted or remembered."""
        self._engine.reset()

    async def __aenter__(self) -> Self:
        """Start to serve.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application(client_max_size=_LONGEST_BODY)
        app.add_routes(OpenAIFront(self._engine, int(time.time())).routes())
        app.add_routes(AdminFront(self._engine).routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self._port = runner.addresses[0][1]
        log.debug("simulator.started", url=self.url, models=len(self._engine.models))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the port; calls in flight have a second to end."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            log.debug("simulator.stopped", url=self.url)
