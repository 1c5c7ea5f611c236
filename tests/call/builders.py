"""Requests, responses and misbehaving servers for the tests of calling."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from streams.call import CallRequest
from streams.call.exchange import WireResponse
from streams.config.settings import Model, Prices, Provider
from streams.registry import RegisteredModel
from topics.events import Task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

NOW = 1_800_000_000.0
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Paris", "refusal": None},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}


def a_model(name: str = "small", provider: str = "local", model: str = "gpt-4o-mini") -> RegisteredModel:
    """A registered model with prices of its own."""
    prices = Prices(input_usd_per_mtok=0.15, output_usd_per_mtok=0.6)
    return RegisteredModel.of(
        Model(name=name, provider=provider, model=model, prices=prices, tier="efficient")
    )


def a_request(
    task: Task | None = None, *, timeout_s: float = 10.0, model: str = "gpt-4o-mini"
) -> CallRequest:
    """A call of a short task."""
    return CallRequest(
        call_id="call-1",
        model=a_model(model=model),
        task=task or Task(prompt="What is the capital of France?"),
        max_tokens=64,
        timeout_s=timeout_s,
    )


def a_provider(port: int, **settings: Any) -> Provider:
    """A provider at a local port."""
    return Provider(base_url=f"http://127.0.0.1:{port}/v1", **settings)


def a_response(
    body: object = None, *, http_status: int = 200, headers: dict[str, str] | None = None
) -> WireResponse:
    """A response with `body` as JSON, or as it is where it is bytes."""
    raw = body if isinstance(body, bytes) else orjson.dumps(ANSWER if body is None else body)
    return WireResponse(http_status, headers or {}, raw, latency_s=0.5, received_at=NOW)


def an_answer(**changes: object) -> dict[str, Any]:
    """The usual answer with other top-level fields."""
    return {**ANSWER, **changes}


def an_answer_with(message: object, finish_reason: object = "stop") -> dict[str, Any]:
    """The usual answer with another message."""
    return an_answer(choices=[{"index": 0, "message": message, "finish_reason": finish_reason}])


def http(body: bytes, *, status: str = "200 OK", headers: tuple[str, ...] = ()) -> bytes:
    """A whole HTTP/1.1 response."""
    lines = (f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass(slots=True)
class Raw:
    """A server that writes what a test tells it to."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    written: int = 0
    """Bytes of answers that were handed to the kernel."""
    connections: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """A request has come."""
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    """A client has closed its connection."""


@asynccontextmanager
async def raw_server(answer: Callable[[asyncio.StreamWriter, Raw], Awaitable[None]]) -> AsyncIterator[Raw]:
    """Reads one request after the other and lets `answer` write, until `answer` closes the connection."""
    raw = Raw()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if b"content-length" in line
                )
                raw.requests.append(head + await reader.readexactly(length))
                raw.asked.set()
                await answer(writer, raw)
                await writer.drain()
                if writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            raw.hung_up.set()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
