"""The demo on the bus: submitting its records at a steady pace, and following what comes of them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from streams.bus.producer import Outgoing, Publisher
from streams.bus.topology import partition_counts
from streams.embedded.demo.ledger import DeadLettered
from topics import codec
from topics.catalog import (
    CALL_COMPLETED,
    DEAD_LETTER_BYTES,
    TASK_COMPLETED,
    TASK_FAILED,
    TASK_ROUTED,
    TASK_SUBMITTED,
)
from topics.events import CallCompleted, TaskCompleted, TaskRouted
from topics.headers import SOURCE_HEADER, Source, derived_id, event_headers, header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from streams.config.settings import Kafka
    from streams.embedded.demo.ledger import Event, Ledger
    from streams.embedded.demo.plan import Entry

PRODUCER: Final = "sluice/demo"

_POLL_MS: Final = 100
_EVENTS: Final[Mapping[str, type[TaskRouted | CallCompleted | TaskCompleted]]] = {
    TASK_ROUTED.name: TaskRouted,
    CALL_COMPLETED.name: CallCompleted,
    TASK_COMPLETED.name: TaskCompleted,
}


async def submit(
    entries: Sequence[Entry], kafka: Kafka, options: Mapping[str, Any], ledger: Ledger, *, per_s: float
) -> None:
    """Submit the records at that pace; the ledger is told of each once it is durable.

    Raises:
        KafkaError: a lasting failure.
    """
    topic = TASK_SUBMITTED.full_name(kafka.prefix)
    every = list(range((await partition_counts(options, [topic]))[topic]))
    partitioner = DefaultPartitioner()

    async def settle(record: Outgoing, pending: asyncio.Future[Any]) -> None:
        offset = await publisher.settle(record, pending)
        ledger.submit(str(Source(topic, record.partition, offset)))

    async with Publisher(options, idempotent=kafka.idempotence) as publisher:
        began = time.monotonic()
        async with asyncio.TaskGroup() as settling:
            for number, entry in enumerate(entries):
                await asyncio.sleep(max(0.0, began + number / per_s - time.monotonic()))
                partition = partitioner(entry.key, every, every)
                record = Outgoing(topic, partition, entry.key, entry.value, _headers(number))
                settling.create_task(settle(record, await publisher.send(record)))


def _headers(number: int) -> list[tuple[str, bytes]]:
    now = time.time()
    return event_headers(
        event_id=derived_id("demo", now, number), event_type=TASK_SUBMITTED.name, producer=PRODUCER, at=now
    )


class Follower:
    """Reads the topics of outcomes from where they end when it is entered, into the ledger."""

    def __init__(self, kafka: Kafka, options: Mapping[str, Any], ledger: Ledger) -> None:
        self._ledger = ledger
        self._options = options
        self._names = {
            topic.full_name(kafka.prefix): topic.name
            for topic in (TASK_ROUTED, CALL_COMPLETED, TASK_COMPLETED, TASK_FAILED)
        }
        self._consumer: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> Self:
        """Note where the topics end.

        Raises:
            KafkaError: the broker cannot be reached.
        """
        counts = await partition_counts(self._options, self._names)
        places = [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]
        consumer = AIOKafkaConsumer(
            **self._options,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=DEAD_LETTER_BYTES,
            fetch_max_wait_ms=_POLL_MS,
        )
        try:
            await consumer.start()
            consumer.assign(places)
            for place, end in (await consumer.end_offsets(places)).items():
                consumer.seek(place, end)
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._consumer is not None:
            await self._consumer.stop()

    async def run(self) -> None:
        """Read until cancelled.

        Raises:
            KafkaError: a lasting failure.
        """
        if self._consumer is None:
            message = "enter the follower first"
            raise RuntimeError(message)
        while True:
            for records in (await self._consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    if (event := self._event(record)) is not None:
                        self._ledger.take(event)

    def _event(self, record: Any) -> Event | None:  # noqa: ANN401 - aiokafka's record
        name = self._names[record.topic]
        if name == TASK_FAILED.name:
            source = header(record.headers, SOURCE_HEADER)
            return None if source is None else DeadLettered(source)
        event = codec.decode(record.value, _EVENTS[name])
        return None if isinstance(event, codec.Rejection) else event
