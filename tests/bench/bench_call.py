"""CPU of one call: Caller against what it is built on, on one local server in a process of its own.

CPU is that of this process alone. Runs on asyncio's own loop, as the other clients do by default.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

from streams.call import Caller
from streams.call.openai_format import build
from tests.bench import stage
from tests.bench.scenario import row
from tests.call.builders import a_provider, a_request
from topics.events import CallStatus, Task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.bench.scenario import Conditions, Row

PROMPT = "Summarise what the customer wants and say how urgent it is. " * 20
CALLS = 3_000
IN_FLIGHT = 64


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


async def call(conditions: Conditions) -> list[Row]:
    """CPU of one call by client."""
    calls = conditions.scaled(CALLS)
    took: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    async with stage.serving("provider", {"delay_s": 0.0, "loop": "uvloop"}) as provider:
        port = int(provider["url"].split(":")[2].split("/")[0])
        for _ in range(conditions.repeats):
            for name, subject in SUBJECTS.items():
                async with subject(port) as one_call:
                    await cpu_ms(one_call, IN_FLIGHT * 2, IN_FLIGHT)
                    took[name].append(await cpu_ms(one_call, calls, IN_FLIGHT))
    baseline = next(iter(SUBJECTS))
    against = (baseline, took[baseline])
    return [
        row("call", name, values, "ms CPU/call", against=None if name == baseline else against)
        for name, values in took.items()
    ]
