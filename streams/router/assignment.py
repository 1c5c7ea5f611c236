"""The partitions this router owns: taking them over, pausing them at their bounds, letting them go, their lag."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streams.bus.tail import end_offsets
from streams.bus.topology import TopicsNotReadyError, committed_offsets, partition_counts
from streams.router.partition import Ends, Partition, TaskIds
from streams.router.takeover import OUTPUTS, Recovery, metadata_of, recover, tails_of
from streams.router.tracker import OffsetTracker
from topics.catalog import POLICY, TASK_SUBMITTED, TASK_SUBMITTED_BATCH
from topics.headers import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiokafka import AIOKafkaConsumer

    from streams.config.settings import Settings
    from streams.router.carrier import Clock
    from streams.router.metrics import Metrics

log = structlog.get_logger(__name__)

RESUME_BELOW = 0.5
"""A partition paused at its bound is resumed when it is this full."""


async def check_topics(options: Mapping[str, Any], prefix: str) -> None:
    """Every per-task topic must exist with the same number of partitions.

    Raises:
        TopicsNotReadyError: naming the topics and the cure.
        KafkaError: the broker cannot be reached.
    """
    per_task = (TASK_SUBMITTED, TASK_SUBMITTED_BATCH, *OUTPUTS)
    names = [topic.full_name(prefix) for topic in per_task]
    counts = await partition_counts(options, [*names, POLICY.full_name(prefix)])
    missing = [name for name, count in counts.items() if count == 0]
    if missing:
        message = f"topics are missing: {', '.join(missing)}; create them with `sluice topics apply`"
        raise TopicsNotReadyError(message)
    if len({counts[name] for name in names}) > 1:
        each = ", ".join(f"{name} has {counts[name]}" for name in names)
        message = (
            f"per-task topics must have the same number of partitions: {each}; see `sluice topics check`"
        )
        raise TopicsNotReadyError(message)


class Assignment:
    """Owned partitions by (topic, partition)."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        options: Mapping[str, Any],
        settings: Settings,
        group: str,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self.partitions: dict[TopicPartition, Partition] = {}
        self._consumer = consumer
        self._options = options
        self._prefix = settings.kafka.prefix
        self._router = settings.router
        self._group = group
        self._metrics = metrics
        self._clock = clock
        self._taking_over: asyncio.Task[None] | None = None
        self._assigned_once = False
        self._paused: set[TopicPartition] = set()

    # --- intake's bounds -----------------------------------------------------------------------------

    @property
    def open_tasks(self) -> int:
        """Tasks read and not finished, over all partitions."""
        return sum(partition.tracker.open for partition in self.partitions.values())

    @property
    def settled(self) -> bool:
        """The group has assigned partitions (or none) and every one is taken over."""
        return self._assigned_once and (self._taking_over is None or self._taking_over.done())

    def throttle(self, *, full: bool) -> None:
        """Pause what is at its bound, resume what has room again.

        Args:
            full: no partition may read on, because the router as a whole is at its bound.
        """
        bound = self._router.max_open_tasks
        for where, partition in self.partitions.items():
            ahead = partition.tracker.ahead
            if full or ahead >= bound:
                if where not in self._paused:
                    self._consumer.pause(where)
                    self._paused.add(where)
            elif where in self._paused and ahead <= bound * RESUME_BELOW:
                self._consumer.resume(where)
                self._paused.discard(where)
        self._metrics.paused.set(len(self._paused))

    # --- coming and going ----------------------------------------------------------------------------

    def take_over(self, wheres: set[TopicPartition], *, on_failure: Callable[[BaseException], None]) -> None:
        """Pause the partitions, learn what their former owners did, then resume them."""
        self._assigned_once = True
        if wheres:
            self._consumer.pause(*wheres)
        self._taking_over = asyncio.create_task(self._take_over(wheres), name="take-over")

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                on_failure(error)

        self._taking_over.add_done_callback(ended)

    def release(self, wheres: Iterable[TopicPartition]) -> list[Partition]:
        """Stop intake of partitions that are being revoked, and hand them over to be drained."""
        if self._taking_over is not None:
            self._taking_over.cancel()
        leaving = [self.partitions.pop(where) for where in wheres if where in self.partitions]
        for partition in leaving:
            partition.leaving = True
            self._paused.discard(partition.where)
        self._metrics.partitions.set(len(self.partitions))
        return leaving

    async def _take_over(self, wheres: set[TopicPartition]) -> None:
        if not wheres:
            self._metrics.partitions.set(0)
            return
        committed = await committed_offsets(self._options, self._group, wheres)
        numbers = sorted({where.partition for where in wheres})
        ends = await self._output_ends(numbers)
        wanted = {n: self._tails(n, wheres, committed, ends[n]) for n in numbers}
        recoveries = await recover(
            self._options, self._prefix, wanted, ends, decide_only=self._router.decide_only
        )
        shared = {n: Ends(dict(recoveries[n].ends)) for n in numbers}
        ids = {n: TaskIds() for n in numbers}
        for n in numbers:
            for source, task_id in recoveries[n].finished.items():
                if task_id:
                    ids[n].add(task_id, source)
        taken = [
            await self._owned(where, committed, recoveries[where.partition], shared[where.partition], ids)
            for where in sorted(wheres)
        ]
        await self._commit_first_positions(taken)
        for partition in taken:
            self.partitions[partition.where] = partition
        self._metrics.partitions.set(len(self.partitions))
        self._consumer.resume(*wheres)
        log.info(
            "router.assigned",
            partitions=numbers,
            finished=sum(len(r.finished) for r in recoveries.values()),
            resumable=sum(len(r.open) for r in recoveries.values()),
        )

    def _tails(
        self,
        number: int,
        wheres: Iterable[TopicPartition],
        committed: Mapping[TopicPartition, OffsetAndMetadata],
        ends: Mapping[str, int],
    ) -> dict[str, int]:
        """Where to begin in every output topic: the earliest that any task topic's commit names.

        A partition that this group never committed, or whose position was set with other tools, begins at the
        ends: what was done before is then not looked at, and the tasks are done anew.
        """
        named = [
            tails_of(committed[where].metadata) or {}
            for where in wheres
            if where.partition == number and where in committed
        ]
        return {
            topic.name: min(
                [ends[topic.name], *(tails[topic.name] for tails in named if topic.name in tails)]
            )
            for topic in OUTPUTS
        }

    async def _owned(
        self,
        where: TopicPartition,
        committed: Mapping[TopicPartition, OffsetAndMetadata],
        recovery: Recovery,
        ends: Ends,
        ids: Mapping[int, TaskIds],
    ) -> Partition:
        position = await self._consumer.position(where)
        sources = [Source.parse(text) for text in (*recovery.finished, *recovery.open)]
        offsets = [source.offset for source in sources if source.topic == where.topic]
        found = committed.get(where)
        return Partition(
            where=where,
            tracker=OffsetTracker(position),
            ends=ends,
            recovery=recovery,
            recovered_to=max(offsets, default=-1) + 1,
            ids=ids[where.partition],
            committed=-1 if found is None else found.offset,
            moved_at=self._clock.monotonic(),
        )

    async def _commit_first_positions(self, taken: Iterable[Partition]) -> None:
        """A partition without a commit gets one before its first task, so that a crash finds the tails."""
        first = {
            p.where: OffsetAndMetadata(p.tracker.position, metadata_of(p.tails()))
            for p in taken
            if p.committed < 0
        }
        if first:
            await self._consumer.commit(first)
            now = self._clock.monotonic()
            for partition in taken:
                if partition.where in first:
                    partition.was_committed(partition.tracker.position, partition.tails(), now)

    async def _output_ends(self, numbers: Iterable[int]) -> dict[int, dict[str, int]]:
        wheres = [TopicPartition(topic.full_name(self._prefix), n) for topic in OUTPUTS for n in numbers]
        found = await end_offsets(self._options, wheres)
        return {
            n: {t.name: found[TopicPartition(t.full_name(self._prefix), n)] for t in OUTPUTS} for n in numbers
        }

    # --- lag -----------------------------------------------------------------------------------------

    def observe_lag(self) -> None:
        """Set the gauges of lag and progress."""
        now = self._clock.monotonic()
        for where, partition in self.partitions.items():
            lag = self._lag(partition)
            self._metrics.lag.labels(where.topic, str(where.partition)).set(lag)
            if lag == 0:
                partition.moved_at = now
        self._metrics.open_tasks.set(self.open_tasks)
        self._metrics.watermark_age.set(self.stalled_s())

    def stalled_s(self) -> float:
        """Longest time for which a partition with lag has not moved its commit, in seconds."""
        now = self._clock.monotonic()
        return max((now - p.moved_at for p in self.partitions.values() if self._lag(p) > 0), default=0.0)

    def _lag(self, partition: Partition) -> int:
        end = (
            self._consumer.highwater(partition.where)
            if partition.where in self._consumer.assignment()
            else None
        )
        return 0 if end is None else max(0, end - partition.tracker.position)
