"""CPU of one call: Caller against what it is built on, on one local server in a process of its own.

Run it: `python -m tests.bench.bench_call [--calls 4000] [--in-flight 64] [--rounds 3]`. Shared machines make absolute
numbers worthless; the ratios hold. CPU is that of this process alone, the best of the rounds, taken in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

from streams.call import Caller
from streams.call.openai_format import build
from tests.call.builders import ANSWER, a_provider, a_request
from topics.events import CallStatus, Task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from multiprocessing.connection import Connection

PROMPT = "Summarise what the customer wants and say how urgent it is. " * 20
HEADERS = (
    "date: Thu, 26 Nov 2026 10:00:00 GMT",
    "openai-processing-ms: 412",
    "openai-version: 2020-10-01",
    "x-ratelimit-limit-requests: 10000",
    "x-ratelimit-limit-tokens: 200000",
    "x-ratelimit-remaining-requests: 9999",
    "x-ratelimit-remaining-tokens: 199984",
    "x-ratelimit-reset-requests: 8.64s",
    "x-ratelimit-reset-tokens: 4ms",
    "x-request-id: req_0123456789abcdef",
    "strict-transport-security: max-age=31536000",
    "cf-cache-status: DYNAMIC",
    "server: cloudflare",
)


class _Canned(asyncio.Protocol):
    """The smallest server that answers POSTs: whatever it costs is not measured, but shares the machine."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._missing = 0
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            self._head += data
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            self._missing, self._head, data = int(length), b"", body
        self._missing -= len(data)
        if self._missing <= 0:
            self._missing = 0
            self._transport.write(self._answer)


def _serve(pipe: Connection) -> None:
    message = {"role": "assistant", "content": "The customer wants a refund. It is urgent. " * 10}
    body = orjson.dumps({**ANSWER, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    lines = ["HTTP/1.1 200 OK", "content-type: application/json", f"content-length: {len(body)}", *HEADERS]
    answer = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Canned(answer), "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@asynccontextmanager
async def with_caller(port: int) -> AsyncIterator[Any]:
    """What Sluice does: build, send, read, classify."""
    request = a_request(Task(prompt=PROMPT))
    async with Caller({"local": a_provider(port)}, {}) as caller:

        async def call() -> None:
            outcome = await caller.call(request)
            assert outcome.status is CallStatus.OK, outcome

        yield call


@asynccontextmanager
async def with_httpx_on_aiohttp(port: int) -> AsyncIterator[Any]:
    """httpx's client on the aiohttp transport: JSON out, JSON in."""
    url, wire = (
        f"http://127.0.0.1:{port}/v1/chat/completions",
        build(a_request(Task(prompt=PROMPT)), "http://x"),
    )
    async with httpx.AsyncClient(transport=AiohttpTransport(verify=False), timeout=10) as client:

        async def call() -> None:
            response = await client.post(
                url, content=orjson.dumps(orjson.loads(wire.body)), headers=dict(wire.headers)
            )
            assert orjson.loads(response.content)["choices"]

        yield call


@asynccontextmanager
async def with_httpx(port: int) -> AsyncIterator[Any]:
    """httpx as it comes."""
    url, wire = (
        f"http://127.0.0.1:{port}/v1/chat/completions",
        build(a_request(Task(prompt=PROMPT)), "http://x"),
    )
    async with httpx.AsyncClient(timeout=10, verify=False) as client:  # noqa: S501 - plain HTTP, no certificate to check

        async def call() -> None:
            response = await client.post(
                url, content=orjson.dumps(orjson.loads(wire.body)), headers=dict(wire.headers)
            )
            assert orjson.loads(response.content)["choices"]

        yield call


@asynccontextmanager
async def with_aiohttp(port: int) -> AsyncIterator[Any]:
    """aiohttp alone."""
    url, wire = (
        f"http://127.0.0.1:{port}/v1/chat/completions",
        build(a_request(Task(prompt=PROMPT)), "http://x"),
    )
    async with aiohttp.ClientSession() as session:

        async def call() -> None:
            body = orjson.dumps(orjson.loads(wire.body))
            async with session.post(url, data=body, headers=dict(wire.headers)) as response:
                assert orjson.loads(await response.read())["choices"]

        yield call


SUBJECTS = {
    "aiohttp": with_aiohttp,
    "httpx on aiohttp": with_httpx_on_aiohttp,
    "Caller": with_caller,
    "httpx": with_httpx,
}


async def cpu_ms(call: Callable[[], Awaitable[None]], calls: int, in_flight: int) -> float:
    """CPU milliseconds of this process for one call."""
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            await call()

    started = time.process_time()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return (time.process_time() - started) * 1e3 / calls


async def measure(port: int, calls: int, in_flight: int, rounds: int) -> dict[str, float]:
    """The best of the rounds by subject."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, subject in SUBJECTS.items():
            async with subject(port) as call:
                await cpu_ms(call, in_flight * 2, in_flight)
                best[name] = min(best.get(name, 1e9), await cpu_ms(call, calls, in_flight))
    return best


def main() -> None:
    """Print the table, or JSON with `--json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=4_000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    try:
        best = asyncio.run(measure(ours.recv(), chosen.calls, chosen.in_flight, chosen.rounds))
    finally:
        server.terminate()
        server.join()
    if chosen.json:
        sys.stdout.write(json.dumps({name: round(value, 4) for name, value in best.items()}) + "\n")
        return
    for name, value in best.items():
        sys.stdout.write(f"{name:18} {value:6.3f} ms CPU a call   {value / best['aiohttp']:5.2f} x aiohttp\n")


if __name__ == "__main__":
    main()
