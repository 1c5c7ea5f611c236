"""Which offsets of one partition are finished, and how far it is safe to commit.

Tasks finish out of order; Kafka commits a single position. The tracker keeps the two apart. It knows nothing of
Kafka clients: the router feeds it and commits what it returns.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class OutOfOrderError(ValueError):
    """An offset was started that is not above all earlier ones."""


@dataclass(slots=True)
class _Entry:
    offset: int
    tails: Mapping[str, int]
    done: bool = False


@dataclass(slots=True)
class OffsetTracker:
    """Offsets of one partition between "read" and "safe to commit".

    Raises:
        OutOfOrderError: an offset was started that is not above all earlier ones.
    """

    position: int
    """First offset that is not known to be finished; what a commit would say."""
    _entries: deque[_Entry] = field(default_factory=deque)
    _open: dict[int, _Entry] = field(default_factory=dict)
    _last: int = -1

    def start(self, offset: int, tails: Mapping[str, int]) -> None:
        """A record was read; `tails` says where its events will lie at the earliest."""
        if offset <= self._last or offset < self.position:
            message = f"offset {offset} was started after {max(self._last, self.position - 1)}"
            raise OutOfOrderError(message)
        if not self._entries:
            self.position = offset
        self._last = offset
        entry = _Entry(offset, tails)
        self._entries.append(entry)
        self._open[offset] = entry

    def finish(self, offset: int) -> bool:
        """A record's result, dead letter or deferral is durable.

        Returns:
            Whether the position moved.
        """
        self._open.pop(offset).done = True
        moved = False
        while self._entries and self._entries[0].done:
            self.position = self._entries.popleft().offset + 1
            moved = True
        if self._entries:
            # Offsets between two records (none are missing on these topics, but nothing forbids it).
            self.position = self._entries[0].offset if moved else self.position
        return moved

    @property
    def open(self) -> int:
        """Records that were started and are not finished."""
        return len(self._open)

    @property
    def ahead(self) -> int:
        """Records that were started and are not committable yet, finished or not."""
        return len(self._entries)

    @property
    def oldest_tails(self) -> Mapping[str, int] | None:
        """Where events of uncommitted tasks lie at the earliest; None when there are none."""
        return self._entries[0].tails if self._entries else None

    def is_open(self, offset: int) -> bool:
        """Whether the record was started and is not finished."""
        return offset in self._open
