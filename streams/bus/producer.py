"""The durable producer: an event is published when Kafka has acknowledged it, however long that takes.

Idempotent with acks=all where the broker knows idempotent producers. The record's partition is always given.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from streams.bus.closing import close
from topics.catalog import DEAD_LETTER_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from topics.headers import Headers

log = structlog.get_logger(__name__)

LINGER_MS = 1
RETRY_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to publish."""

    topic: str
    """Full name."""
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int | None = None


class Publisher:
    """Publishes records and returns their offsets.

    A failure that may pass is retried until it does; the caller's cancellation ends that. A record that is too
    large raises `MessageSizeTooLargeError`; any other lasting failure raises the broker's `KafkaError`.
    """

    def __init__(
        self, options: Mapping[str, Any], *, idempotent: bool = True, linger_ms: int = LINGER_MS
    ) -> None:
        self._producer = AIOKafkaProducer(
            **options,
            acks="all",
            enable_idempotence=idempotent,
            linger_ms=linger_ms,
            max_request_size=DEAD_LETTER_BYTES,
            max_batch_size=64 * 1024,
        )

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await close(self._producer)

    async def send(self, record: Outgoing) -> asyncio.Future[Any]:
        """Hand a record over, in order; the future is its acknowledgement (with `.offset`)."""
        if record.key is None and record.value is None:
            return await self._send_empty(record)
        future: asyncio.Future[Any] = await self._producer.send(
            record.topic,
            value=record.value,
            key=record.key,
            partition=record.partition,
            timestamp_ms=record.timestamp_ms,
            headers=record.headers,
        )
        return future

    async def _send_empty(self, record: Outgoing) -> asyncio.Future[Any]:
        """A record with neither key nor value, which Kafka takes and aiokafka's `send` does not."""
        batch = self._producer.create_batch()
        batch.append(key=None, value=None, timestamp=record.timestamp_ms, headers=record.headers)
        future: asyncio.Future[Any] = await self._producer.send_batch(
            batch, record.topic, partition=record.partition
        )
        return future

    async def publish(self, record: Outgoing) -> int:
        """Publish one record and wait until it is durable.

        Returns:
            Its offset.

        Raises:
            MessageSizeTooLargeError: no broker setting or patience will ever take it.
            KafkaError: a lasting failure, such as missing rights.
        """
        return await self.settle(record, await self._first_send(record))

    async def settle(self, record: Outgoing, pending: asyncio.Future[Any]) -> int:
        """Wait until a record that was sent is durable, sending it again where its sending failed in passing."""
        while True:
            try:
                offset: int = (await pending).offset
            except KafkaError as error:
                await self._pause(record, error)
                pending = await self._first_send(record)
            else:
                return offset

    async def _first_send(self, record: Outgoing) -> asyncio.Future[Any]:
        while True:
            try:
                return await self.send(record)
            except KafkaError as error:
                await self._pause(record, error)

    @staticmethod
    async def _pause(record: Outgoing, error: KafkaError) -> None:
        """Before another try; a failure that does not pass is raised again."""
        passing = isinstance(error, KafkaTimeoutError) or error.retriable
        if not passing or isinstance(error, MessageSizeTooLargeError):
            raise error
        log.warning("publish.retry", topic=record.topic, partition=record.partition, error=repr(error))
        await asyncio.sleep(RETRY_PAUSE_S)
