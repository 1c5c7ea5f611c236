"""Brokers that really run: what goes in comes out, what is durable survives, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.embedded.broker import DataFolderError, EmbeddedBroker, Machine
from streams.embedded.broker.kafka_jvm import LARGEST_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.brokers import StartOwnBroker

pytestmark = pytest.mark.bus

TOPIC = "letters"
ORPHANING_PARENT = """
import asyncio, sys
from streams.embedded.broker import EmbeddedBroker
async def main():
    async with EmbeddedBroker(sys.argv[1]) as broker:
        print(broker.pid, flush=True)
        await broker.exited()
asyncio.run(main())
"""


@pytest.fixture
async def tansu(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    """What is chosen on a machine without Java."""
    machine = Machine(path="", cache_dir=tmp_path, temp_dir=tmp_path)
    async with EmbeddedBroker(machine=machine) as broker:
        yield broker


async def _create_topic(broker: EmbeddedBroker) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def _produce(broker: EmbeddedBroker, *values: bytes) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap,
        acks="all",
        enable_idempotence=broker.idempotent,
        max_request_size=LARGEST_RECORD_BYTES,
    ) as producer:
        for value in values:
            await producer.send_and_wait(TOPIC, value)


async def _consume(broker: EmbeddedBroker, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(
        TOPIC, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        async with asyncio.timeout(20):
            return [(await consumer.getone()).value for _ in range(count)]


async def _until(condition: Callable[[], bool], deadline_s: float = 10.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - another process sets no event here
            await asyncio.sleep(0.05)  # between looks at the condition


def _is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"  # dead; whoever adopted it has not noticed yet


async def test_kafka_serves_and_leaves_nothing_behind(own_broker: StartOwnBroker) -> None:
    broker = await own_broker()
    await _create_topic(broker)
    await _produce(broker, b"a", b"b")

    received = await _consume(broker, 2)
    folder, pid = broker.data_dir, broker.pid
    await broker.stop()

    assert received == [b"a", b"b"]
    assert folder is not None
    assert not folder.exists()
    assert _is_gone(pid)


async def test_kafka_takes_records_of_nine_megabytes(own_broker: StartOwnBroker) -> None:
    broker = await own_broker()
    await _create_topic(broker)
    large = os.urandom(LARGEST_RECORD_BYTES - 1024)

    await _produce(broker, large)

    assert await _consume(broker, 1) == [large]


async def test_kafka_keeps_its_data_when_it_is_killed_and_restarted(own_broker: StartOwnBroker) -> None:
    broker = await own_broker()
    await _create_topic(broker)
    await _produce(broker, b"before the crash")
    bootstrap, pid = broker.bootstrap, broker.pid

    broker.kill()
    await broker.restart()
    await _produce(broker, b"after the crash")

    assert (broker.bootstrap, broker.pid != pid) == (bootstrap, True)
    assert await _consume(broker, 2) == [b"before the crash", b"after the crash"]


async def test_kafka_goes_on_with_a_kept_folder(own_broker: StartOwnBroker, tmp_path: Path) -> None:
    folder = tmp_path / "my data, all of it: äöü"
    first = await own_broker(data_dir=folder)
    await _create_topic(first)
    await _produce(first, b"kept")
    with pytest.raises(DataFolderError):
        await own_broker(data_dir=folder)
    await first.stop()

    second = await own_broker(data_dir=folder)

    assert await _consume(second, 1) == [b"kept"]
    assert "is kept" in second.describe()


async def test_kafka_that_dies_is_noticed(own_broker: StartOwnBroker) -> None:
    broker = await own_broker()

    os.kill(broker.pid, signal.SIGKILL)

    async with asyncio.timeout(5):
        assert await broker.exited() == -signal.SIGKILL


async def test_without_java_tansu_serves_and_says_what_it_cannot_do(tansu: EmbeddedBroker) -> None:
    await _create_topic(tansu)
    await _produce(tansu, b"a", b"b")

    assert await _consume(tansu, 2) == [b"a", b"b"]
    assert (tansu.kind, tansu.durable, tansu.idempotent) == ("tansu", False, False)
    assert "everything is gone when it stops" in tansu.describe()
    assert "Apache Kafka was passed over because there is no `java` on PATH" in tansu.describe()


async def test_tansu_restarts_empty_on_the_same_port(tansu: EmbeddedBroker) -> None:
    await _create_topic(tansu)
    await _produce(tansu, b"forgotten")
    bootstrap = tansu.bootstrap

    tansu.kill()
    await tansu.restart()
    await _create_topic(tansu)
    await _produce(tansu, b"new")

    assert tansu.bootstrap == bootstrap
    assert await _consume(tansu, 1) == [b"new"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
@pytest.mark.parametrize("kind", ["kafka", "tansu"])
async def test_no_broker_outlives_a_parent_that_is_killed(kind: str, own_broker: StartOwnBroker) -> None:
    if kind == "kafka":
        await (await own_broker()).stop()  # skips where there is no Java; fetches outside the time limit
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORPHANING_PARENT, kind, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    async with asyncio.timeout(30):
        broker_pid = int(await parent.stdout.readline())

    began = time.monotonic()
    parent.kill()
    await parent.wait()
    await _until(lambda: _is_gone(broker_pid))

    assert time.monotonic() - began < 5
