"""What a demo is to do: which records are submitted, how fast, and which of its parts the user replaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streams.embedded import tasks as corpus
from topics.codec import Rejection, decode_task, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from streams.embedded.broker import WantedKind

DEFAULT_COUNT: Final = 300
PREFIX: Final = "sluice"

_TASKS_PER_S: Final = 50.0
_SHORTEST_S: Final = 4.0
_LONGEST_S: Final = 20.0
"""Seconds over which simulated tasks are spread: so many that one sees something, so few that nobody waits."""
_REAL_TASKS_PER_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One record to submit."""

    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """A demo."""

    entries: tuple[Entry, ...]
    config: Path | None = None
    """The user's sluice.yaml, with its models and providers; None for the packaged one and simulated providers."""
    brokers: str | None = None
    """The user's Kafka; None for the embedded broker."""
    kind: WantedKind = "auto"
    """Which embedded broker."""
    keep: bool = False
    """Leave everything running at the end, until it is stopped."""

    @property
    def simulated(self) -> bool:
        """Whether the providers are simulated, so that calls cost nothing and one of them may fail on request."""
        return self.config is None

    @property
    def tasks_per_s(self) -> float:
        """How fast tasks are submitted. Real providers are never hurried."""
        count = len(self.entries)
        if not self.simulated:
            return _REAL_TASKS_PER_S
        return min(max(_TASKS_PER_S, count / _LONGEST_S), max(count / _SHORTEST_S, 1.0))


def packaged_entries(count: int) -> tuple[Entry, ...]:
    """That many packaged tasks, and the malformed ones spread among them."""
    entries = [Entry(str(task["task_id"]).encode(), encode(task)) for task in corpus.tasks(count)]
    malformed = corpus.malformed()
    for number, value in enumerate(malformed, 1):
        place = len(entries) * number // (len(malformed) + 1)
        entries.insert(place, Entry(f"demo-bad-{number}".encode(), value))
    return tuple(entries)


def user_entries(lines: Iterable[bytes]) -> tuple[Entry, ...]:
    """The user's tasks as they stand, valid or not, keyed by their ids where they have one."""
    return tuple(Entry(_key(line), line) for line in lines)


def _key(line: bytes) -> bytes | None:
    task = decode_task(line)
    return None if isinstance(task, Rejection) or task.task_id is None else task.task_id.encode()


def words(entries: Sequence[Entry]) -> str:
    """How many, for a sentence."""
    return "1 task" if len(entries) == 1 else f"{len(entries):,} tasks"
