"""What can go wrong with the demo itself. Errors of the broker are `streams.embedded.broker`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class DemoError(Exception):
    """A part of the demo could not be started, or ended by itself.

    Attributes:
        problem: what happened, in a sentence.
        log: the file with the part's output, which is kept.
        output_tail: its last lines.
    """

    def __init__(self, problem: str, *, log: Path | None = None, output_tail: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.log = log
        self.output_tail = output_tail

    def __str__(self) -> str:
        """Problem, end of the output, and where all of it is."""
        parts = [self.problem]
        if self.log is not None:
            parts.append(f"The end of its output:\n{self.output_tail or '(it wrote nothing)'}")
            parts.append(f"All of it is in {self.log}.")
        return "\n".join(parts)
