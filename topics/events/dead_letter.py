"""A dead letter: any bytes. What was sent stays as it was; the headers say why it could not be used."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Stands for the value of `task.failed` in the catalog: the original bytes, of any content."""
