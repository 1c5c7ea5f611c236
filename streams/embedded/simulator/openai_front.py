"""The simulated models behind OpenAI's paths: waits as long as the engine says and sends what it says.

Bytes are made in `openai_format`; another wire format is another pair of modules like these two.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from streams.embedded.simulator.openai_format import (
    BadRequestError,
    ChatCall,
    ChunkWriter,
    completion,
    error_body,
    limit_headers,
    listed,
    pieces,
    read_chat,
    rejected,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.embedded.simulator.engine import Engine
    from streams.embedded.simulator.requests import Reply, Turn

REPLAY_HEADER = "x-sluice-idempotent-replay"

_SHORTEST_PAUSE_S = 0.02
_UNPACED_PIECES = 8
_HTML = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>\n"


class OpenAIFront:
    """Handlers of `/v1/chat/completions` and `/v1/models`."""

    def __init__(self, engine: Engine, created_s: int) -> None:
        self._engine = engine
        self._created_s = created_s

    def routes(self) -> list[web.RouteDef]:
        """What it serves."""
        return [
            web.post("/v1/chat/completions", self.chat),
            web.get("/v1/models", self.models),
            web.get("/v1/models/{name:.+}", self.model),
        ]

    async def models(self, _: web.Request) -> web.Response:
        """All models."""
        data = [listed(model, self._created_s) for model in self._engine.models.values()]
        return _json(200, orjson.dumps({"object": "list", "data": data}))

    async def model(self, http: web.Request) -> web.Response:
        """One model."""
        model = self._engine.models.get(http.match_info["name"])
        if model is None:
            message = f"The model '{http.match_info['name']}' does not exist"
            return _json(404, error_body(message, "invalid_request_error", "model", "model_not_found"))
        return _json(200, orjson.dumps(listed(model, self._created_s)))

    async def chat(self, http: web.Request) -> web.StreamResponse:
        """One chat completion."""
        try:
            call = read_chat(await http.read(), http.headers)
        except BadRequestError as error:
            self._engine.tally.rejected["400"] += 1
            body = error_body(str(error), "invalid_request_error", error.param, error.code)
            return _json(400, body, {"x-request-id": _request_id()})
        turn = self._engine.begin(call.request)
        status = None
        try:
            response = await self._respond(http, call, turn)
            status = None if response is None else response.status
        finally:
            self._engine.end(turn, status)
        return _disconnected(http) if response is None else response

    async def _respond(self, http: web.Request, call: ChatCall, turn: Turn) -> web.StreamResponse | None:
        """What to send; None when the connection is to be, or has been, closed."""
        headers = {"x-request-id": _request_id(), **limit_headers(turn.headroom)}
        if turn.rejection is not None:
            await _pause(turn.ttft_s)
            status, body, more = rejected(turn.rejection)
            return _json(status, body, headers | more)
        if turn.reply is None:
            return None
        headers["openai-processing-ms"] = str(round(turn.total_s * 1000))
        if turn.repeated:
            headers[REPLAY_HEADER] = "true"
        if turn.fault is not None and turn.fault.kind == "garbage":
            await _pause(turn.total_s)
            return _garbage(turn.fault.body, completion(call.request.model, turn.reply), headers)
        if call.stream:
            return await _streamed(http, call, turn, turn.reply, headers)
        await _pause(turn.total_s)
        return _json(200, completion(call.request.model, turn.reply), headers)


async def _streamed(
    http: web.Request, call: ChatCall, turn: Turn, reply: Reply, headers: Mapping[str, str]
) -> web.StreamResponse | None:
    """Send the answer piece by piece; None when the caller went away, or the stream is to break."""
    clock = asyncio.get_running_loop().time
    began_s, decode_s = clock(), turn.total_s - turn.ttft_s
    writer = ChunkWriter(call.request.model, reply, include_usage=call.include_usage)
    response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8", **headers})
    parts = pieces(reply.text, int(decode_s / _SHORTEST_PAUSE_S) or _UNPACED_PIECES)
    try:
        await _pause(turn.ttft_s)
        await response.prepare(http)
        await response.write(writer.first())
        for index, part in enumerate(parts, start=1):
            await _pause(began_s + turn.ttft_s + decode_s * index / len(parts) - clock())
            await response.write(writer.piece(part))
        if turn.fault is not None:
            return None
        await response.write(writer.last())
        await response.write_eof()
    except ConnectionError:
        return None
    return response


def _garbage(body: str, whole: bytes, headers: Mapping[str, str]) -> web.Response:
    """Status 200, and nothing that can be read as an answer."""
    match body:
        case "html":
            return web.Response(body=_HTML, headers={"content-type": "text/html", **headers})
        case "empty":
            return _json(200, b"", headers)
        case _:
            return _json(200, whole[: len(whole) // 2], headers)


def _disconnected(http: web.Request) -> web.Response:
    """Close the connection; what aiohttp wants returned goes nowhere."""
    if http.transport is not None:
        http.transport.close()
    return web.Response()


def _json(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=body, headers={"content-type": "application/json", **(headers or {})}
    )


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


def _request_id() -> str:
    return f"req_{uuid.uuid4().hex}"
