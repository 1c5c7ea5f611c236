"""One partition of a task topic while this router owns it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from aiokafka import TopicPartition

    from streams.router.takeover import Recovery
    from streams.router.tracker import OffsetTracker

TAILS_REFRESH_S = 10.0
"""A partition without tasks names fresh tails this often, so that a take-over has little to read."""
REMEMBERED_IDS = 10_000
"""Task ids remembered per partition to recognise a task that was submitted twice."""


@dataclass(slots=True)
class Ends:
    """Per output topic, an offset that no later event of this router can lie before. Shared by the task topics."""

    next: dict[str, int]
    _snapshot: Mapping[str, int] | None = None

    def wrote(self, topic: str, offset: int) -> None:
        """A record of ours was acknowledged at this offset."""
        if offset >= self.next.get(topic, 0):
            self.next[topic] = offset + 1
            self._snapshot = None

    def snapshot(self) -> Mapping[str, int]:
        """A copy that stays as it is; the same object until something is written."""
        if self._snapshot is None:
            self._snapshot = dict(self.next)
        return self._snapshot


class TaskIds:
    """Tasks in flight or answered, by id, the most recent ones."""

    def __init__(self, limit: int = REMEMBERED_IDS) -> None:
        self._sources: OrderedDict[str, str] = OrderedDict()
        self._limit = limit

    def seen_at(self, task_id: str) -> str | None:
        """Source of the task with this id."""
        return self._sources.get(task_id)

    def add(self, task_id: str, source: str) -> None:
        """Remember a task."""
        self._sources[task_id] = source
        if len(self._sources) > self._limit:
            self._sources.popitem(last=False)

    def forget(self, task_id: str) -> None:
        """The task failed: submitting it again is no mistake."""
        self._sources.pop(task_id, None)


@dataclass(slots=True)
class Partition:
    """Intake state of one (topic, partition)."""

    where: TopicPartition
    tracker: OffsetTracker
    ends: Ends
    recovery: Recovery
    recovered_to: int
    """Offset after the last task found in the recovered tails: up to here commits keep the old tails."""
    ids: TaskIds
    running: set[asyncio.Task[None]] = field(default_factory=set)
    leaving: bool = False
    """Being revoked: nothing new is started."""
    committed: int = -1
    committed_tails: Mapping[str, int] = field(default_factory=dict)
    """What the last commit named."""
    committed_at: float = 0.0
    """When that was; monotonic seconds."""
    moved_at: float = 0.0
    """When the committed position last moved, or lag began; monotonic seconds."""

    def needs_commit(self, now: float) -> bool:
        """The position moved; or it stands, and the tails that its commit names have become long."""
        if self.tracker.position > self.committed:
            return True
        return now - self.committed_at > TAILS_REFRESH_S and self.tails() != self.committed_tails

    def was_committed(self, position: int, tails: Mapping[str, int], now: float) -> None:
        """Kafka has it."""
        if position > self.committed:
            self.moved_at = now
        self.committed, self.committed_tails, self.committed_at = position, tails, now

    def tails(self) -> Mapping[str, int]:
        """What a commit now must name: where events of uncommitted tasks lie at the earliest."""
        if self.tracker.position < self.recovered_to:
            return self.recovery.tails
        return self.tracker.oldest_tails or self.ends.snapshot()
