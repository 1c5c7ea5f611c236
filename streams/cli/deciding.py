"""From lines of a file to decisions, without Kafka: shared by the commands that decide on files.

Nothing is known of the world and nothing is called, so the same file and settings give the same decisions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.decide import CompiledPolicy, Submission, World, decide
from streams.registry import Registry
from topics.codec import Rejection
from topics.headers import Source, task_id_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.cli.task_files import Line
    from streams.config.settings import Settings
    from topics.events import TaskRouted

BATCH = 256


def decisions_of(
    lines: Sequence[Line], settings: Settings, *, now: float, seed: int | None = None
) -> Iterator[tuple[Line, TaskRouted]]:
    """A decision for every line that is a task, in order.

    Raises:
        UnpricedModelError: a model has no price.
    """
    policy = settings.policy if seed is None else settings.policy.model_copy(update={"seed": seed})
    compiled = CompiledPolicy.of(policy, Registry.of(settings.models, settings.providers))
    valid = [(line, submission) for line in lines if (submission := _submission(line, now)) is not None]
    for start in range(0, len(valid), BATCH):
        batch = valid[start : start + BATCH]
        decided = decide([item for _, item in batch], policy=compiled, world=World(), now=now)
        yield from zip((line for line, _ in batch), decided, strict=True)


def _submission(line: Line, now: float) -> Submission | None:
    task = line.task
    if isinstance(task, Rejection):
        return None
    source = Source("file", 0, line.number - 1)
    submitted = now if task.submitted_at is None else task.submitted_at.timestamp()
    return Submission(task, task.task_id or task_id_of(source), str(source), submitted)
