"""The error of `estimate_tokens` against counted tokens, on outcome tables (parquet: prompt, input_tokens, dataset).

Counts of providers cover what was sent, templates and tool definitions included; a table's `prompt` may be only the
part that differs. So each dataset is judged twice: as it is, and with the constant part of its counts taken off (the
intercept of counts over estimates, per task type). The second is an approximation, and kind to the estimate.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.decide import estimate_tokens
from streams.decide.features import TOKENS_PER_MESSAGE
from streams.decide.predictions import INPUT_MARGIN
from tests.bench.scenario import Row, SkippedError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.scenario import Conditions

COLUMNS = ("dataset", "task_type", "prompt", "input_tokens")


async def tokens(conditions: Conditions) -> list[Row]:
    """Signed and absolute error, and how many prompts stay within the margin for the worst case."""
    if conditions.tables is None:
        message = "needs outcome tables: --tables FOLDER"
        raise SkippedError(message)
    rows: list[Row] = []
    for path in sorted(conditions.tables.glob("*.parquet")):
        for dataset, groups in _counted(path).items():
            rows += _judged(dataset, groups)
    if not rows:
        message = f"no table in {conditions.tables} has prompts with counted tokens"
        raise SkippedError(message)
    return rows


def _counted(path: Path) -> dict[str, dict[str, dict[str, list[int]]]]:
    """By dataset, task type and prompt, all counts."""
    from pyarrow import parquet  # noqa: PLC0415 - only this scenario needs it

    if not set(COLUMNS) <= set(parquet.read_schema(path).names):
        return {}
    found: dict[str, dict[str, dict[str, list[int]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    columns = parquet.read_table(path, columns=list(COLUMNS)).to_pydict()
    for dataset, kind, prompt, count in zip(*(columns[name] for name in COLUMNS), strict=True):
        if count:
            found[dataset][kind or ""][prompt].append(count)
    return found


def _judged(dataset: str, groups: dict[str, dict[str, list[int]]]) -> list[Row]:
    estimated, counted, own = [], [], []
    for prompts in groups.values():
        estimates = np.array(
            [estimate_tokens(prompt) + TOKENS_PER_MESSAGE for prompt in prompts], dtype=float
        )
        counts = np.array([np.median(values) for values in prompts.values()])
        intercept = max(0.0, np.polyfit(estimates, counts, 1)[1]) if len(counts) > 2 else 0.0
        estimated.append(estimates)
        counted.append(counts)
        own.append(np.maximum(counts - intercept, 1.0))
    estimate = np.concatenate(estimated)
    return [
        *_errors(dataset, "as counted", estimate, np.concatenate(counted)),
        *_errors(dataset, "less the constant part", estimate, np.concatenate(own)),
    ]


def _errors(dataset: str, how: str, estimate: Any, count: Any) -> list[Row]:
    relative = (estimate - count) / count
    within = count <= np.ceil(estimate * INPUT_MARGIN)
    figures = {
        "median error": (np.median(relative) * 100, "%"),
        "median absolute error": (np.median(abs(relative)) * 100, "%"),
        "p95 absolute error": (np.quantile(abs(relative), 0.95) * 100, "%"),
        f"within {INPUT_MARGIN} x": (within.mean() * 100, "%"),
        "margin that covers 99 %": (np.quantile(count / estimate, 0.99), "x"),
    }
    label = f"{dataset} ({len(count)} prompts), {how}"
    return [Row("tokens", f"{label}: {name}", float(value), unit) for name, (value, unit) in figures.items()]
