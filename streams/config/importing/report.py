"""What became of every key of a configuration that is imported. Decides nothing: importers say, this keeps count.

A key is said once. What is said of a section holds for all of its keys of which nothing was said before; what
nobody speaks of has no counterpart. So no key can be forgotten, and none is told twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.config.problems import Loc

_UNKNOWN = "not a key that the importer knows; nothing in sluice.yaml stands for it"


class Outcome(StrEnum):
    """What became of a key."""

    TAKEN = "taken_over"
    CHANGED = "changed"
    NONE = "no_counterpart"


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the source."""

    key: str
    """Path of the key, like `model_list[0].litellm_params.rpm`."""
    outcome: Outcome
    what: str
    """Where it went, how it was changed, or what to do instead. Never the value of a secret."""
    said_of: Loc
    """The key or the section around it that this was said of."""


@dataclass(frozen=True, slots=True)
class Export:
    """An environment variable that sluice.yaml refers to."""

    name: str
    what: str
    """What must be in it."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that is to say of one import."""

    entries: tuple[Entry, ...]
    """Every key, in the order of the source."""
    exports: tuple[Export, ...]
    notes: tuple[str, ...]
    """What no single key of the source stands for, and yet is different."""

    def count(self, outcome: Outcome) -> int:
        """How many keys ended so."""
        return sum(entry.outcome is outcome for entry in self.entries)


class Ledger:
    """Collects what is said of the keys of one source."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._said: dict[Loc, Entry] = {}

    def taken(self, loc: Loc, what: str) -> None:
        """It means the same in sluice.yaml."""
        self._say(loc, Outcome.TAKEN, what)

    def changed(self, loc: Loc, what: str) -> None:
        """It is there in another shape, or means something else."""
        self._say(loc, Outcome.CHANGED, what)

    def none(self, loc: Loc, what: str) -> None:
        """Nothing stands for it."""
        self._say(loc, Outcome.NONE, what)

    def entries(self) -> tuple[Entry, ...]:
        """Every key once, in the order of the source."""
        for key in self._data:
            self.none((key,), _UNKNOWN)
        return tuple(self._said[loc] for loc in keys_of(self._data))

    def _say(self, loc: Loc, outcome: Outcome, what: str) -> None:
        value: Any = self._data
        for part in loc:
            value = value[part]
        for key in keys_of(value, loc):
            self._said.setdefault(key, Entry(path_text(key), outcome, what, loc))


def keys_of(value: Any, loc: Loc = ()) -> Iterator[Loc]:  # noqa: ANN401 - plain data
    """Paths of all keys that hold no further keys; a list of plain values is the value of its key."""
    below: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        below = list(value.items())
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        below = list(enumerate(value))
    if not below and loc:
        yield loc
    for part, inner in below:
        yield from keys_of(inner, (*loc, part))


def path_text(loc: Loc, *, index: bool = True) -> str:
    """`model_list[0].model_name`, without `index` `model_list[].model_name`; other keys in brackets and quotes."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part if index else ''}]"
        elif part.replace("-", "_").isidentifier():
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
    return text
