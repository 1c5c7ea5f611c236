"""What the router adds to the time of a call at low load: from a task's writing to its result in a consumer's hands."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.bench import stage, workload
from tests.bench.scenario import quantile, row
from tests.router.harness import until
from topics.catalog import FEEDBACK_SUBMITTED, TASK_COMPLETED, TASK_SUBMITTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.bench.scenario import Conditions, Row

CALL_S = 0.05
"""How long the provider takes."""
TASKS_PER_S = 40
WINDOW_S = 12.0
WARM_TASKS = 40
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


async def delay(conditions: Conditions) -> list[Row]:
    """Task written to result read, less the call itself; beside one record written and read back."""
    spec = await stage.spec_with_topics(conditions)
    async with (
        stage.serving("provider", {"delay_s": CALL_S, "loop": "uvloop"}) as provider,
        stage.serving("router", {**spec, **provider}),
        _Traffic(spec).flowing() as traffic,
    ):
        await traffic.window(WARM_TASKS)
        count = conditions.scaled(round(TASKS_PER_S * WINDOW_S), least=WARM_TASKS)
        windows = [await traffic.window(count) for _ in range(conditions.repeats)]
    rows = []
    for name, q in QUANTILES.items():
        one_hop = [quantile(echo, q) * 1e3 for _, echo, _ in windows]
        added = [quantile(extra, q) * 1e3 for extra, _, _ in windows]
        calls = [quantile(call, q) * 1e3 for _, _, call in windows]
        baseline = f"one record written and read back, {name}"
        rows += [
            row("delay", baseline, one_hop, "ms"),
            row("delay", f"added to the call, {name}", added, "ms", against=(baseline, one_hop)),
            row("delay", f"the call itself, {name}", calls, "ms"),
        ]
    return sorted(rows, key=lambda one: one.what)


class _Traffic:
    """Tasks and, between them, plain records at an even pace; notes when each comes back."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._options = {"bootstrap_servers": spec["bootstrap"]}
        self._tasks = TASK_SUBMITTED.full_name(spec["prefix"])
        self._results = TASK_COMPLETED.full_name(spec["prefix"])
        self._echoes = FEEDBACK_SUBMITTED.full_name(spec["prefix"])
        self._sent: dict[str, float] = {}
        self._back: dict[str, tuple[float, float]] = {}
        """By id: when it was read, and how long its calls took."""
        self._number = 0

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[_Traffic]:
        async with AIOKafkaProducer(**self._options, acks="all", linger_ms=0) as self._producer:
            readers = [
                asyncio.create_task(self._read(self._results, _result)),
                asyncio.create_task(self._read(self._echoes, lambda value: (value["id"], 0.0))),
            ]
            try:
                yield self
            finally:
                for reader in readers:
                    reader.cancel()
                await asyncio.gather(*readers, return_exceptions=True)

    async def window(self, count: int) -> tuple[list[float], list[float], list[float]]:
        """So many of both, in seconds: what was added to the calls, echoes, and the calls."""
        templates = [orjson.loads(value) for value in workload.tasks(count)]
        tasks, echoes = [], []
        began = time.perf_counter()
        for index, template in enumerate(templates):
            tasks.append(await self._send(self._tasks, {**template, "task_id": self._next()}, "task_id"))
            await _at(began + (index + 0.5) / TASKS_PER_S)
            echoes.append(await self._send(self._echoes, {**template, "id": self._next()}, "id"))
            await _at(began + (index + 1) / TASKS_PER_S)
        await until(lambda: all(one in self._back for one in (*tasks, *echoes)))
        extra = [self._back[one][0] - self._sent[one] - self._back[one][1] for one in tasks]
        echo = [self._back[one][0] - self._sent[one] for one in echoes]
        return extra, echo, [self._back[one][1] for one in tasks]

    def _next(self) -> str:
        self._number += 1
        return f"record-{self._number}"

    async def _send(self, topic: str, value: dict[str, Any], key: str) -> str:
        name: str = value[key]
        encoded, partition = orjson.dumps(value), self._number // 2 % workload.PARTITIONS
        self._sent[name] = time.perf_counter()
        await self._producer.send(topic, encoded, key=name.encode(), partition=partition)
        return name

    async def _read(self, topic: str, understand: Callable[[Any], tuple[str, float]]) -> None:
        async with AIOKafkaConsumer(topic, **self._options, auto_offset_reset="earliest") as consumer:
            while True:
                batches = await consumer.getmany(timeout_ms=1_000)
                now = time.perf_counter()
                for records in batches.values():
                    for record in records:
                        name, calls_s = understand(orjson.loads(record.value))
                        self._back[name] = (now, calls_s)


def _result(value: dict[str, Any]) -> tuple[str, float]:
    assert value["status"] == "completed", value
    return value["task_id"], sum(call["latency_s"] for call in value["calls"])


async def _at(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.perf_counter()))
