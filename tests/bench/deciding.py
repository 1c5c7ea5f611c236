"""What a decision costs: `decide()` in memory, against plain JSON work on the same bytes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import orjson

from streams.decide import World, decide
from streams.decide.features import understand
from tests.bench import loops, workload
from tests.bench.scenario import row
from topics import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.decide import CompiledPolicy, Submission
    from tests.bench.scenario import Conditions, Row

TASKS = 2_048
BATCH = 256
NOW = 1.8e9


async def deciding(conditions: Conditions) -> list[Row]:
    """CPU of one decision with 20 models and 5 rules: batches of 256 and of 1, with and without its record's JSON."""
    count = max(BATCH, conditions.scaled(TASKS) // BATCH * BATCH)
    values = workload.tasks(count)
    batch = loops.submissions(values)
    plain = loops.compiled(workload.settings())
    language = loops.compiled(workload.settings(with_language=True))
    ready = orjson.loads(codec.encode(loops.a_decision(workload.settings())))
    subjects: dict[str, Callable[[], object]] = {
        "JSON only (loads task, dumps decision)": lambda: [
            (orjson.loads(value), orjson.dumps(ready)) for value in values
        ],
        "decode_task": lambda: [codec.decode_task(value) for value in values],
        "understand (features)": lambda: [
            understand(one.task, default_max_tokens=1024, with_language=False) for one in batch
        ],
        "decide, batch of 256": lambda: _decide_all(batch, plain, BATCH),
        "decide, batch of 256, + dumps of the record": lambda: _decide_all(batch, plain, BATCH, encode=True),
        "decide, batch of 16": lambda: _decide_all(batch, plain, 16),
        "decide, batch of 1": lambda: _decide_all(batch, plain, 1),
        "decide, batch of 256, with a language rule": lambda: _decide_all(batch[:BATCH], language, BATCH),
    }
    baseline = next(iter(subjects))
    took: dict[str, list[float]] = {name: [] for name in subjects}
    for repeat in range(conditions.repeats * 2 + 1):
        for name, subject in subjects.items():
            tasks = BATCH if "language" in name else count
            each_us = _cpu_s(subject) / tasks * 1e6
            if repeat:  # the first is warm-up
                took[name].append(each_us)
    against = (baseline, took[baseline])
    return [
        row("decide", name, values, "us CPU/task", against=None if name == baseline else against)
        for name, values in took.items()
    ]


def _decide_all(
    batch: Sequence[Submission], policy: CompiledPolicy, size: int, *, encode: bool = False
) -> None:
    """Batch after batch; nothing is kept, as in the router."""
    world = World()
    for start in range(0, len(batch), size):
        for one in decide(batch[start : start + size], policy=policy, world=world, now=NOW):
            if encode:
                codec.encode(one)


def _cpu_s(subject: Callable[[], object]) -> float:
    began = time.process_time()
    subject()
    return time.process_time() - began
