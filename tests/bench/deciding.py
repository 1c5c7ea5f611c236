"""What a decision costs: `decide()` in memory, against plain JSON work on the same bytes."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

import orjson

from streams.decide import World, decide
from streams.decide.features import understand
from streams.router.outputs import Incoming, Outputs
from tests.bench import loops, workload
from tests.bench.scenario import row
from topics import codec
from topics.headers import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.decide import CompiledPolicy, Submission
    from tests.bench.scenario import Conditions, Row

TASKS = 2_048
BATCH = 256
NOW = 1.8e9


async def deciding(conditions: Conditions) -> list[Row]:
    """CPU of one decision with 20 models and 5 rules, its parts, and what surrounds it in the router."""
    count = max(BATCH, conditions.scaled(TASKS) // BATCH * BATCH)
    subjects = _subjects(workload.tasks(count))
    baseline = next(iter(subjects))
    took: dict[str, list[float]] = {name: [] for name in subjects}
    gc.collect()
    gc.freeze()  # what was made ready is not part of what is measured
    for repeat in range(conditions.repeats * 2 + 1):
        for name, (tasks, subject) in subjects.items():
            each_us = _cpu_s(subject) / tasks * 1e6
            if repeat:  # the first is warm-up
                took[name].append(each_us)
    gc.unfreeze()
    against = (baseline, took[baseline])
    return [
        row("decide", name, values, "us CPU/task", against=None if name == baseline else against)
        for name, values in took.items()
    ]


def _subjects(values: Sequence[bytes]) -> dict[str, tuple[int, Callable[[], object]]]:
    """By name: for how many tasks, and the work."""
    count, batch = len(values), loops.submissions(values)
    plain = loops.compiled(workload.settings())
    language = loops.compiled(workload.settings(with_language=True))
    ready = orjson.loads(codec.encode(loops.a_decision(workload.settings())))
    few = batch[:BATCH]
    decided = decide(few, policy=plain, world=World(), now=NOW)
    outputs, incoming = Outputs("bench"), Incoming(Source("bench", 0, 1), None, None, (), NOW, None)
    return {
        "JSON only (loads task, dumps decision)": (
            count,
            lambda: [len(orjson.dumps(ready)) for value in values if orjson.loads(value)],
        ),
        "decode_task": (count, lambda: [codec.decode_task(value) is None for value in values]),
        "understand (features)": (
            BATCH,
            lambda: [understand(one.task, default_max_tokens=1024, with_language=False) for one in few],
        ),
        "dumps of the record": (BATCH, lambda: [codec.encode(one) for one in decided]),
        "outgoing record (dumps, headers, trace)": (
            BATCH,
            lambda: [outputs.routed(one, incoming) for one in decided],
        ),
        "decide, batch of 256": (count, lambda: _decide_all(batch, plain, BATCH)),
        "decide, batch of 256, + dumps of the record": (
            count,
            lambda: _decide_all(batch, plain, BATCH, encode=True),
        ),
        "decide, batch of 16": (count, lambda: _decide_all(batch, plain, 16)),
        "decide, batch of 1": (BATCH, lambda: _decide_all(few, plain, 1)),
        "decide, batch of 256, with a language rule": (BATCH, lambda: _decide_all(few, language, BATCH)),
    }


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
