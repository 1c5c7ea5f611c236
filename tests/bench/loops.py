"""The baselines: loops on bare aiokafka, as somebody would write them by hand who needs nothing else.

    bare           read, orjson.loads, orjson.dumps of a ready decision, write
    bare_typed     the same with Sluice's events: a validated task in, a decision's dataclass out
    bare_decide    that, and a real decision on every batch

Clients are configured like the router's. The position is committed after a flush, twice a second. They keep no
promises beyond that: bad input stops them.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.bus.producer import LINGER_MS
from streams.decide import CompiledPolicy, Submission, World, decide
from streams.registry import Registry
from tests.bench import workload
from topics import catalog, codec
from topics.headers import Source, event_headers, trace_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.config.settings import Settings
    from tests.bench.window import Window
    from topics.events import TaskRouted

    Encode = Callable[[Sequence[Any]], list[bytes]]

BATCH = 500
COMMIT_S = 0.5
BATCH_BYTES = 64 * 1024


def ready_headers() -> list[tuple[str, bytes]]:
    """As many headers, as long, as a decision's; made once."""
    return event_headers(
        event_id="5b1c3f0e-6f0a-5d43-9c55-6a1d2f6c7e10",
        event_type=catalog.TASK_ROUTED.name,
        producer="sluice/router",
        at=time.time(),
        source="bench-0.task.submitted.v1:0:12345",
        traceparent=trace_parent(None, "seed", "event"),
    )


def submissions(values: Sequence[bytes]) -> list[Submission]:
    """Tasks with their identities, as intake makes them."""
    made = []
    for offset, value in enumerate(values):
        task = codec.decode_task(value)
        assert not isinstance(task, codec.Rejection), task
        made.append(Submission(task, f"task-{offset:032}", f"bench.task.submitted.v1:0:{offset}", 1.8e9))
    return made


def compiled(settings: Settings) -> CompiledPolicy:
    """The policy, ready to decide with."""
    return CompiledPolicy.of(settings.policy, Registry.of(settings.models, settings.providers))


def a_decision(settings: Settings) -> TaskRouted:
    """A decision of typical length."""
    decisions = decide(submissions(workload.tasks(200)), policy=compiled(settings), world=World(), now=1.8e9)
    return sorted(decisions, key=lambda one: len(codec.encode(one)))[100]


def _plain(settings: Settings) -> Encode:
    ready = orjson.loads(codec.encode(a_decision(settings)))

    def encode(records: Sequence[Any]) -> list[bytes]:
        return [orjson.dumps(ready) for record in records if orjson.loads(record.value)]

    return encode


def _typed(settings: Settings) -> Encode:
    ready = a_decision(settings)

    def encode(records: Sequence[Any]) -> list[bytes]:
        return [codec.encode(ready) for record in records if codec.decode_task(record.value)]

    return encode


def _deciding(settings: Settings) -> Encode:
    policy, world = compiled(settings), World()

    def encode(records: Sequence[Any]) -> list[bytes]:
        batch = []
        for record in records:
            task = codec.decode_task(record.value)
            assert not isinstance(task, codec.Rejection), task
            source = str(Source(record.topic, record.partition, record.offset))
            batch.append(Submission(task, source, source, record.timestamp / 1000))
        decisions = decide(batch, policy=policy, world=world, now=time.time())
        return [codec.encode(one) for one in decisions]

    return encode


ENCODERS: dict[str, Callable[[Settings], Encode]] = {
    "bare": _plain,
    "bare_typed": _typed,
    "bare_decide": _deciding,
}


def a_producer(settings: Settings) -> AIOKafkaProducer:
    """Configured like the router's."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka.brokers,
        acks="all",
        enable_idempotence=settings.kafka.idempotence,
        linger_ms=LINGER_MS,
        max_request_size=catalog.DEAD_LETTER_BYTES,
        max_batch_size=BATCH_BYTES,
    )


def a_consumer(settings: Settings, *topics: str, group: str) -> AIOKafkaConsumer:
    """Configured like the router's."""
    return AIOKafkaConsumer(
        *topics,
        bootstrap_servers=settings.kafka.brokers,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=catalog.DEAD_LETTER_BYTES,
    )


async def read_and_write(settings: Settings, encode: Encode, window: Window) -> None:
    """Read tasks, write what `encode` makes of them to the same partitions, until the window closes."""
    submitted = catalog.TASK_SUBMITTED.full_name(settings.kafka.prefix)
    routed = catalog.TASK_ROUTED.full_name(settings.kafka.prefix)
    headers, count, committed_at = ready_headers(), 0, time.monotonic()
    async with a_producer(settings) as producer, a_consumer(settings, submitted, group="bare") as consumer:
        while True:
            batches = await consumer.getmany(timeout_ms=100, max_records=BATCH)
            for where, records in batches.items():
                for record, value in zip(records, encode(records), strict=True):
                    await producer.send(
                        routed, value, key=record.key, partition=where.partition, headers=headers
                    )
                count += len(records)
                window.finished(count - 1)  # the last one counts when it is durable
            if window.finished(count - 1) or not batches or time.monotonic() - committed_at >= COMMIT_S:
                await producer.flush()
                await consumer.commit()
                committed_at = time.monotonic()
                if window.finished(count):
                    return


async def call_between(
    settings: Settings, call: Callable[[Any], Any], values: tuple[bytes, bytes, bytes], window: Window
) -> None:
    """Read tasks; for each write a record, call, write two records, every write awaited. The router's, by hand."""
    prefix = settings.kafka.prefix
    names = [
        t.full_name(prefix) for t in (catalog.TASK_ROUTED, catalog.CALL_COMPLETED, catalog.TASK_COMPLETED)
    ]
    submitted = catalog.TASK_SUBMITTED.full_name(prefix)
    headers, slots, done = ready_headers(), asyncio.Semaphore(workload.IN_FLIGHT * 2), 0
    calls = asyncio.Semaphore(workload.IN_FLIGHT)
    running: set[asyncio.Task[None]] = set()
    async with a_producer(settings) as producer, a_consumer(settings, submitted, group="bare") as consumer:

        async def write(index: int, where: TopicPartition, key: bytes | None) -> Any:
            return await producer.send(
                names[index], values[index], key=key, partition=where.partition, headers=headers
            )

        async def carry(where: TopicPartition, record: Any) -> None:
            nonlocal done
            orjson.loads(record.value)
            await (await write(0, where, record.key))
            async with calls:
                await call(record)
            for pending in [await write(1, where, record.key), await write(2, where, record.key)]:
                await pending
            slots.release()
            done += 1

        while not window.finished(done):
            batches = await consumer.getmany(timeout_ms=20, max_records=workload.IN_FLIGHT)
            for where, records in batches.items():
                for record in records:
                    await slots.acquire()
                    task = asyncio.create_task(carry(where, record))
                    running.add(task)
                    task.add_done_callback(running.discard)
                    window.finished(done)
        await asyncio.gather(*running)
