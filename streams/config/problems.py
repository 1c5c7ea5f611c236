"""What is wrong with a configuration: where, what and how to cure it. Finds nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN_CHARACTERS = 60
_SHOWN_NAMES = 20

Loc = tuple[str | int, ...]
"""Keys and list positions that lead to a value, from the top: `("models", 2, "provider")`."""


class Severity(StrEnum):
    """Whether Sluice can start."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake."""

    file: str
    line: int
    """From 1; 0 where it belongs to no line, as when the file is missing."""
    column: int
    """From 1; 0 like `line`."""
    key: str
    """Dotted path such as `models[2].provider`; empty where the text is no YAML."""
    message: str
    """What is wrong. Never the value of a secret."""
    cure: str
    """What to do about it."""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        where = self.file
        if self.line:
            where += f":{self.line}" if self.key or not self.column else f":{self.line}:{self.column}"
        parts = [where]
        if self.severity is Severity.WARNING:
            parts.append("warning")
        if self.key:
            parts.append(self.key)
        parts.append(f"{self.message}; {self.cure}" if self.cure else self.message)
        return ": ".join(parts)


class ConfigError(Exception):
    """The configuration cannot be used; all that is wrong with it, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = in_file_order(problems)
        super().__init__("\n".join(map(str, self.problems)))


def in_file_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sorted by line and column."""
    return tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))


def dotted(loc: Loc) -> str:
    """`models[2].provider`; a key that has other characters than names do stands in brackets and quotes."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part and part.replace("-", "_").replace("_", "a").isalnum():
            text += f".{part}" if text else part
        else:
            text += f"[{quoted(part)}]"
    return text


def quoted(text: str) -> str:
    """In double quotes, on one line, cut where it is long."""
    short = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short) + '"'


def known(names: Iterable[str]) -> str:
    """`known: a, b`, cut where there are many."""
    every = list(names)
    more = len(every) - _SHOWN_NAMES
    listed = ", ".join(quoted(name)[1:-1] for name in every[:_SHOWN_NAMES])
    return f"known: {listed} and {more} more" if more > 0 else f"known: {listed}"


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """`did you mean "openai"? known: openai, local`; without the question where nothing is near."""
    every = list(names)
    lower = {name.lower(): name for name in reversed(every)}
    near = get_close_matches(word.lower(), lower, n=1)
    return f"did you mean {quoted(lower[near[0]])}? {known(every)}" if near else known(every)
