"""Publishing partials that changed to `state.v1`, on a timer, the newest value of each once per round."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streams.bus.producer import Outgoing
from streams.tables.storage import snapshot_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.tables.folder import Writer
    from streams.tables.folds import PartialKey
    from streams.tables.metrics import TablesMetrics


class Snapshots:
    """Partials that wait to be published. Only what is stored in the changelog gets here."""

    def __init__(
        self, topic: str, writer: Writer, metrics: TablesMetrics, clock: Callable[[], float]
    ) -> None:
        self._topic = topic
        self._writer = writer
        self._metrics = metrics
        self._clock = clock
        self._waiting: dict[tuple[int, PartialKey], bytes] = {}
        self._waiting_since: float | None = None
        self._published_at: dict[int, float] = {}
        self._lock = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """How many partials wait."""
        return len(self._waiting)

    def changed(self, partition: int, key: PartialKey, value: bytes) -> None:
        """A partial has a new value."""
        if self._waiting_since is None:
            self._waiting_since = self._clock()
        self._waiting[partition, key] = value

    def last_published(self, partition: int) -> float:
        """When something of a partition was published last; 0 for never."""
        return self._published_at.get(partition, 0.0)

    def forget(self) -> None:
        """Drop what waits: its partitions are about to be published anew."""
        self._waiting = {}
        self._waiting_since = None
        self._published_at = {}

    async def stop_publishing(self) -> None:
        """Drop what waits, after the round in work: another worker will publish it."""
        async with self._lock:
            self.forget()

    async def publish(self) -> None:
        """Publish what waits.

        Raises:
            KafkaError: it cannot be published and trying again will not help.
        """
        async with self._lock:
            if self._waiting_since is None:
                return
            values, since = self._waiting, self._waiting_since
            self._waiting, self._waiting_since = {}, None
            records = [
                Outgoing(self._topic, partition, snapshot_key(partition, key), value, [])
                for (partition, key), value in values.items()
            ]
            pending = [(record, await self._writer.send(record)) for record in records]
            for record, acknowledgement in pending:
                await self._writer.settle(record, acknowledgement)
            now = self._clock()
            self._published_at |= {partition: now for partition, _ in values}
            self._metrics.published.inc(len(records))
            self._metrics.snapshot_delay.set(now - since)
