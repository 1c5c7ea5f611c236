"""A router on a real broker beside a scripted provider: what the router's bus tests are written with."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiokafka import AIOKafkaProducer, TopicPartition

from streams.bus.tail import read_to_end
from streams.bus.topology import admin_client
from streams.config.settings import Settings
from streams.router.service import Router
from topics import catalog, provision

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from topics.catalog import Topic

PARTITIONS = 3
MODELS = ("small", "middle", "large")
TIERS = ("efficient", "standard", "premium")


async def until(condition: Callable[[], bool | Awaitable[bool]], *, within_s: float = 30.0) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + within_s
    while True:
        met = condition()
        if not isinstance(met, bool):
            met = await met
        if met:
            return
        assert time.monotonic() < deadline, "the condition was not met in time"
        await asyncio.sleep(0.02)


@dataclass
class Provider:
    """A chat-completions server that does what the test says."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """Idempotency keys, in order of arrival."""
    down: set[str] = field(default_factory=set)
    """Models that answer 503."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Calls whose prompt says `wait` are answered when it is set."""

    async def chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        self.keys.append(request.headers["Idempotency-Key"])
        prompt = body["messages"][-1]["content"]
        if prompt.startswith("wait"):
            await self.gate.wait()
        if body["model"] in self.down:
            return web.json_response({"error": {"message": "down", "type": "server_error"}}, status=503)
        content = "x" * 9_000_000 if prompt.startswith("huge") else f"{body['model']} answers"
        return web.json_response(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "model": body["model"],
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": content},
                        "finish_reason": "stop",
                    }
                ],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            }
        )


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    scripted = Provider()
    app = web.Application(client_max_size=32 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", scripted.chat)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield scripted
    finally:
        scripted.gate.set()
        await runner.cleanup()


@dataclass
class Bus:
    """The topics of one test."""

    bootstrap: str
    prefix: str
    idempotent: bool

    @property
    def options(self) -> dict[str, Any]:
        return {"bootstrap_servers": self.bootstrap}

    def name(self, topic: Topic) -> str:
        return topic.full_name(self.prefix)

    async def apply(self) -> None:
        async with admin_client(self.options) as admin:
            await provision.apply(admin, prefix=self.prefix, partitions=PARTITIONS, replication=1)

    async def submit(
        self, *values: Any, topic: Topic = catalog.TASK_SUBMITTED, partition: int = 0
    ) -> list[int]:
        """Publish tasks (dicts as JSON, bytes and None as they are); returns their offsets."""
        async with AIOKafkaProducer(
            **self.options, max_request_size=catalog.EVENT_BYTES, linger_ms=5
        ) as producer:
            sent = []
            for value in values:
                encoded = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
                sent.append(
                    await producer.send(
                        self.name(topic),
                        encoded,
                        key=b"key",
                        partition=partition,
                        headers=[("mine", b"kept")],
                    )
                )
            return [(await one).offset for one in sent]

    async def records(self, topic: Topic) -> list[Any]:
        starts = {TopicPartition(self.name(topic), p): None for p in range(topic.partitions(PARTITIONS))}
        return [r async for _, batch in read_to_end(self.options, starts) for r in batch]

    async def events(self, topic: Topic) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in await self.records(topic)]

    async def count(self, topic: Topic) -> int:
        return len(await self.records(topic))

    async def results(self, count: int, *, within_s: float = 30.0) -> list[dict[str, Any]]:
        """Wait for so many results."""

        async def there() -> bool:
            return await self.count(catalog.TASK_COMPLETED) >= count

        await until(there, within_s=within_s)
        return await self.events(catalog.TASK_COMPLETED)


def settings(bus: Bus, provider_url: str, **router: Any) -> Settings:
    """Three models, cheapest first, one in each tier."""
    return Settings.model_validate(
        {
            "kafka": {
                "brokers": bus.bootstrap,
                "prefix": bus.prefix,
                "partitions": PARTITIONS,
                "idempotence": bus.idempotent,
            },
            "providers": {"scripted": {"base_url": provider_url, "timeout_s": 30}},
            "models": [
                {
                    "name": name,
                    "provider": "scripted",
                    "tier": tier,
                    "prices": {"input_usd_per_mtok": price, "output_usd_per_mtok": price},
                }
                for name, tier, price in zip(MODELS, TIERS, (1, 2, 10), strict=True)
            ],
            "retry": {"max_attempts": 1},
            "router": {"http_port": 0, "commit_interval_s": 0.1, "session_timeout_s": 6, **router},
        }
    )


@asynccontextmanager
async def running(configured: Settings, environ: Mapping[str, str] = os.environ) -> AsyncIterator[Router]:
    """A router at work; drained at the end."""
    async with Router(configured, environ) as router:
        work = asyncio.create_task(router.run())
        try:
            yield router
        finally:
            router.stop()
            await work


async def crash(router: Router, work: asyncio.Task[None]) -> None:
    """End a router without drain or commit, as far as one can inside a process."""
    work.cancel()
    for partition in router._assignment.partitions.values():
        for task in partition.running:
            task.cancel()
    await asyncio.gather(work, return_exceptions=True)
