"""Where scenarios with a broker take place: topics of their own for every run, tasks in them, subjects in processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaProducer

from streams.bus.topology import admin_client
from streams.embedded.broker import EmbeddedBroker
from tests.bench import workload
from tests.bench.scenario import SkippedError
from tests.bench.window import Cost
from topics import provision
from topics.catalog import TASK_SUBMITTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bench.scenario import Conditions

SUBJECT_DEADLINE_S = 300
BROKERS_VARIABLE = "SLUICE_TEST_BROKERS"


@asynccontextmanager
async def a_broker() -> AsyncIterator[tuple[str, bool, str]]:
    """Address, whether idempotent producers work, and which broker it is."""
    if given := os.environ.get(BROKERS_VARIABLE):
        yield given, True, f"the broker of {BROKERS_VARIABLE}"
        return
    async with EmbeddedBroker() as broker:
        yield broker.bootstrap, broker.idempotent, broker.describe().split(" at ")[0]


async def spec_with_topics(conditions: Conditions, *, warm: int = 0, total: int = 0) -> dict[str, Any]:
    """Fresh topics with `total` tasks in them, as a subject is told of them."""
    if conditions.bootstrap is None:
        message = "needs a broker"
        raise SkippedError(message)
    prefix = f"bench-{uuid.uuid4().hex[:8]}"
    async with admin_client({"bootstrap_servers": conditions.bootstrap}) as admin:
        await provision.apply(admin, prefix=prefix, partitions=workload.PARTITIONS, replication=1)
    name = TASK_SUBMITTED.full_name(prefix)
    if total:
        async with AIOKafkaProducer(
            bootstrap_servers=conditions.bootstrap, linger_ms=5, max_batch_size=256 * 1024
        ) as producer:
            for index, value in enumerate(workload.tasks(total)):
                key = f"key-{index}".encode()
                await producer.send(name, value, key=key, partition=index % workload.PARTITIONS)
            await producer.flush()
    return {
        "bootstrap": conditions.bootstrap,
        "prefix": prefix,
        "idempotent": conditions.idempotent,
        "warm": warm,
        "total": total,
    }


async def measure(subject: str, spec: dict[str, Any]) -> Cost:
    """Run a subject to its end."""
    async with _process(subject, spec) as process:
        try:
            out, err = await asyncio.wait_for(process.communicate(), SUBJECT_DEADLINE_S)
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
            raise RuntimeError(_failed(subject, "did not end", err)) from None
    if process.returncode or not out:
        raise RuntimeError(_failed(subject, f"ended with {process.returncode}", err))
    return Cost(**orjson.loads(out.splitlines()[-1]))


@asynccontextmanager
async def serving(subject: str, spec: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """A subject that serves until the end of the block; yields what it said when it was ready."""
    async with _process(subject, spec) as process:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), SUBJECT_DEADLINE_S)
        if not line:
            _, err = await process.communicate()
            raise RuntimeError(_failed(subject, "ended before it was ready", err))
        drained = asyncio.ensure_future(process.communicate())
        try:
            yield orjson.loads(line)
        finally:
            process.terminate()
            await drained


@asynccontextmanager
async def _process(subject: str, spec: dict[str, Any]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.subjects",
        subject,
        orjson.dumps(spec).decode(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _failed(subject: str, how: str, err: bytes) -> str:
    return f"subject {subject} {how}:\n{err.decode(errors='replace')[-3000:]}"
