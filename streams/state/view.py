"""The reading side of the state: `state.v1`, read without a group and merged in memory.

It follows all partitions from their beginning for as long as it is entered, and survives the broker's
restarts. What it answers is what the tables last published; `age_s` says how long ago they did. It writes
nothing.

How old it is: the tables state `spend|all` of every partition once a second, changed or not. A partition was
heard when one of its records arrived; the view is as old as its most silent partition. Records that were
there before it began tell their own time instead. So a view whose tables or whose broker is gone grows old,
and one in which nothing happens does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Self

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.bus.closing import close
from streams.bus.connection import client_options
from streams.bus.topology import TopicsNotReadyError, partition_counts
from streams.decide.world import World
from streams.state.overlay import Overlay
from streams.state.partials import Partials, model_health
from topics.catalog import STATE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from streams.config.settings import Kafka
    from streams.decide.world import ModelHealth
    from streams.state.merge import Health, Spend

log = structlog.get_logger(__name__)

POLL_MS = 500
RETRY_PAUSE_S = 0.5


class StateTopicMissingError(TopicsNotReadyError):
    """The topic of the state does not exist."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"topic {topic} does not exist; create it with `sluice topics apply`")
        self.topic = topic


class StateView:
    """What is known of the world right now. Enter it, then `await caught_up()`."""

    def __init__(
        self,
        kafka: Kafka,
        environ: Mapping[str, str],
        *,
        overlay: Overlay | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.overlay = overlay or Overlay()
        """Where this router records its own calls."""
        self.partials = Partials(self.overlay.covered)
        self.topic = STATE.full_name(kafka.prefix)
        self._options = client_options(kafka, environ)
        self._clock = clock
        self._caught_up = asyncio.Event()
        self._change = asyncio.Event()
        self._heard: dict[int, float | None] = {}
        self._follower: asyncio.Task[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def __aenter__(self) -> Self:
        """Begin to follow.

        Raises:
            StateTopicMissingError: there is nothing to follow.
            KafkaError: the broker cannot be reached.
        """
        count = (await partition_counts(self._options, [self.topic]))[self.topic]
        if count == 0:
            raise StateTopicMissingError(self.topic)
        partitions = [TopicPartition(self.topic, number) for number in range(count)]
        consumer = AIOKafkaConsumer(
            **self._options,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=POLL_MS,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        await consumer.start()
        self._consumer = consumer
        try:
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            await consumer.seek_to_beginning(*partitions)
        except BaseException:
            await consumer.stop()
            raise
        self._heard = {one.partition: None for one in partitions}
        self._follower = asyncio.create_task(self._follow(consumer, ends), name="state-view")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._follower is not None:
            self._follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follower
        if self._consumer is not None:
            await close(self._consumer)

    async def caught_up(self) -> None:
        """Wait until everything is read that was there when the view was entered.

        Raises:
            KafkaError: it cannot be read, for lack of rights for instance.
        """
        if self._follower is None:
            message = "enter the view first"
            raise RuntimeError(message)
        waiting = asyncio.ensure_future(self._caught_up.wait())
        try:
            await asyncio.wait({waiting, self._follower}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._follower.done() and not self._caught_up.is_set():
            self._follower.result()

    async def changed(self) -> None:
        """Wait until something new has been read."""
        await self._change.wait()

    @property
    def is_caught_up(self) -> bool:
        """Whether everything is read that was there when the view was entered."""
        return self._caught_up.is_set()

    def age_s(self, now: float) -> float | None:
        """How long ago the most silent partition was heard of; None while that is not known.

        It is not known before the view has caught up, nor while the tables have never owned some partition.
        """
        if not self._caught_up.is_set():
            return None
        heard = [at for at in self._heard.values() if at is not None]
        return max(0.0, now - min(heard)) if len(heard) == len(self._heard) else None

    def spend(self, scope: str) -> Spend:
        """Spend of a scope (`all`, `model:NAME`, ...); zero where nothing is known."""
        return self.partials.spend(scope)

    def health(self, model: str) -> Health:
        """Health of a model as the tables know it; empty where nothing is known."""
        return self.partials.health(model)

    def model_health(self, model: str, now: float) -> ModelHealth:
        """A model's breaker and last five minutes, this router's own calls included."""
        return model_health(self.partials, self.overlay, model, now)

    def world(self, now: float) -> World:
        """What a decision may know: every model of which something is known."""
        models = {*self.partials.models(), *self.overlay.models()}
        return World(
            age_s=self.age_s(now),
            health={model: self.model_health(model, now) for model in sorted(models)},
        )

    async def _follow(self, consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> None:
        while True:
            try:
                batches = await consumer.getmany(timeout_ms=POLL_MS)
                for partition, records in batches.items():
                    for record in records:
                        self._take(record, live=record.offset >= ends[partition])
                if batches:
                    changed, self._change = self._change, asyncio.Event()
                    changed.set()
                if not self._caught_up.is_set() and await _all_reached(consumer, ends):
                    log.info("state.caught_up", scopes=len(self.partials.scopes()))
                    self._caught_up.set()
            except KafkaError as error:
                if not self._caught_up.is_set() and not error.retriable:
                    raise
                log.warning("state.read_failed", topic=self.topic, error=repr(error))
                await asyncio.sleep(RETRY_PAUSE_S)

    def _take(self, record: Any, *, live: bool) -> None:  # noqa: ANN401 - aiokafka's records are untyped
        malformed = self.partials.malformed
        partial = self.partials.take(record.key, record.value)
        if partial is not None:
            heard, now = self._heard.get(record.partition), self._clock()
            at = now if live else min(now, partial.updated_at)
            self._heard[record.partition] = at if heard is None else max(heard, at)
        elif self.partials.malformed > malformed:
            log.warning("state.malformed", partition=record.partition, offset=record.offset)


async def _all_reached(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    for partition, end in ends.items():
        if end > 0 and await consumer.position(partition) < end:
            return False
    return True
