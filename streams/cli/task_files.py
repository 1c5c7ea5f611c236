"""Files of tasks, JSON Lines: each line with its number, and the task in it or what is wrong with it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.cli.failure import BAD_USAGE
from streams.cli.options import fail
from topics.codec import Rejection, Stage, decode_task

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from topics.events import Task

STDIN = "-"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank."""

    file: str
    number: int
    """From 1."""
    value: bytes
    """As it stands in the file, without the line's end."""
    task: Task | Rejection

    def complaint(self) -> str | None:
        """What is wrong, as `FILE:LINE: what`; None where nothing is."""
        if not isinstance(self.task, Rejection):
            return None
        message = self.task.message.replace("at line 1, column", "at column")
        if self.task.stage is Stage.JSON:
            message += " per line"
        return f"{self.file}:{self.number}: {message}"


def read_lines_or_fail(path: Path) -> list[Line]:
    """All lines of a file, or of standard input for `-`. Ends the command where it cannot be read."""
    if str(path) == STDIN:
        return lines_of("<stdin>", sys.stdin.buffer.read())
    try:
        return lines_of(str(path), path.read_bytes())
    except OSError as error:
        fail(f"{path}: {error.strerror}", code=BAD_USAGE)


def lines_of(name: str, content: bytes) -> list[Line]:
    """All lines of a text that are not blank; a byte order mark is passed over."""
    lines = content.removeprefix(_BOM).split(b"\n")
    return [
        Line(name, number, line.rstrip(b"\r"), decode_task(line))
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def complaints(lines: Iterable[Line]) -> list[str]:
    """What is wrong with which line."""
    return [complaint for line in lines if (complaint := line.complaint()) is not None]
