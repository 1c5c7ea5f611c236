"""What the person or the test behind the simulation may ask for: incidents, counts, a fresh start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from aiohttp import web

from streams.embedded.simulator.errors import IncidentError
from streams.embedded.simulator.incidents import parse_incident
from streams.embedded.simulator.openai_format import error_body

if TYPE_CHECKING:
    from streams.embedded.simulator.engine import Engine


class AdminFront:
    """Handlers of `/admin/...` and `/health`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[web.RouteDef]:
        """What it serves."""
        return [
            web.get("/health", self.health),
            web.post("/admin/incidents", self.begin_incident),
            web.get("/admin/incidents", self.list_incidents),
            web.delete("/admin/incidents", self.end_incidents),
            web.get("/admin/stats", self.stats),
            web.post("/admin/reset", self.reset),
        ]

    async def health(self, _: web.Request) -> web.Response:
        """It serves."""
        return _json(200, {"status": "ok", "models": len(self._engine.models)})

    async def begin_incident(self, http: web.Request) -> web.Response:
        """Let something go wrong."""
        try:
            incident = parse_incident(orjson.loads(await http.read()))
            self._engine.incident(incident)
        except orjson.JSONDecodeError:
            return _bad_request("the body is not JSON")
        except IncidentError as error:
            return _bad_request(str(error))
        return _json(201, msgspec.to_builtins(incident))

    async def list_incidents(self, _: web.Request) -> web.Response:
        """Those that are going on."""
        return _json(200, {"incidents": self._engine.incidents.current()})

    async def end_incidents(self, _: web.Request) -> web.Response:
        """End all of them."""
        return _json(200, {"ended": self._engine.incidents.clear()})

    async def stats(self, _: web.Request) -> web.Response:
        """Counts since the start or the last reset."""
        return _json(200, self._engine.tally.told())

    async def reset(self, _: web.Request) -> web.Response:
        """As just started."""
        self._engine.reset()
        return _json(200, {"reset": True})


def _json(status: int, values: Any) -> web.Response:  # noqa: ANN401 - any JSON value
    return web.Response(status=status, body=orjson.dumps(values), content_type="application/json")


def _bad_request(message: str) -> web.Response:
    body = error_body(message, "invalid_request_error")
    return web.Response(status=400, body=body, content_type="application/json")
