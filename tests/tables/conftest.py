"""Topics, calls and workers for the tests of the tables on a real broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from streams.bus.connection import client_options
from streams.bus.producer import Publisher
from streams.bus.topology import admin_client
from streams.config.settings import Kafka
from tests.tables.workers import StartWorker, TablesWorker
from topics.provision import apply

if TYPE_CHECKING:
    from tests.brokers import BrokerInUse

PARTITIONS = 4
DEADLINE_S = 60.0

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest_asyncio.fixture
async def kafka(broker: BrokerInUse, topic_prefix: str) -> Kafka:
    """The shared broker, with topics of this test's own."""
    kafka = Kafka(
        brokers=broker.bootstrap, prefix=topic_prefix, partitions=PARTITIONS, idempotence=broker.idempotent
    )
    async with admin_client(client_options(kafka, {})) as admin:
        await apply(admin, prefix=topic_prefix, partitions=PARTITIONS, replication=1)
    return kafka


@pytest_asyncio.fixture
async def publisher(kafka: Kafka) -> AsyncIterator[Publisher]:
    """Writes the calls that a router would write."""
    async with Publisher(client_options(kafka, {}), idempotent=kafka.idempotence) as publisher:
        yield publisher


@pytest_asyncio.fixture
async def start_worker() -> AsyncIterator[StartWorker]:
    """Start processes of `sluice worker tables`; those that are left are killed at the end."""
    async with AsyncExitStack() as started:

        async def start(kafka: Kafka, instance: str | None = None) -> TablesWorker:
            worker = await TablesWorker.start(kafka, instance)
            started.push_async_callback(worker.kill)
            return worker

        yield start


@pytest.fixture
def eventually() -> Eventually:
    """Wait until something holds."""

    async def wait(holds: Callable[[], bool]) -> None:
        until = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < until, "it did not come to hold in time"
            await asyncio.sleep(0.02)

    return wait
