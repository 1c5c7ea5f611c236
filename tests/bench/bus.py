"""Scenarios on a broker: what the router adds to bare loops that read and write, or call, the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.bench import stage
from tests.bench.scenario import row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.bench.scenario import Conditions, Row
    from tests.bench.window import Cost

TASKS = 24_000
TASKS_WITH_CALLS = 6_000
ROUTER = "router"
WARM_SHARE = 6
"""One task in so many is warm-up."""


async def decide_only(conditions: Conditions) -> list[Row]:
    """The router with `decide_only` against bare loops over the same tasks: each adds one thing to the one before."""
    subjects: dict[str, tuple[str, dict[str, Any]]] = {
        "bare loop (loads, dumps)": ("bare", {"encoder": "bare"}),
        "+ typed events": ("bare", {"encoder": "bare_typed"}),
        "+ decide()": ("bare", {"encoder": "bare_decide"}),
        ROUTER: ("decide_only", {}),
        "bare loop on uvloop": ("bare", {"encoder": "bare", "loop": "uvloop"}),
    }
    return _rows("decide-only", await _costs(conditions, subjects, conditions.scaled(TASKS)))


async def with_calls(conditions: Conditions) -> list[Row]:
    """The router against its own HTTP client alone, and against a hand-written loop with the same writes."""
    async with stage.serving("provider", {"delay_s": 0.0, "loop": "uvloop"}) as provider:
        subjects: dict[str, tuple[str, dict[str, Any]]] = {
            "calls alone (Caller, no Kafka)": ("calls_alone", provider),
            "calls between bare writes": ("calls_by_hand", provider),
            ROUTER: ("with_calls", provider),
        }
        return _rows("with-calls", await _costs(conditions, subjects, conditions.scaled(TASKS_WITH_CALLS)))


async def _costs(
    conditions: Conditions, subjects: Mapping[str, tuple[str, dict[str, Any]]], total: int
) -> dict[str, list[Cost]]:
    """Repetitions in turns, so that a disturbance of the machine meets all subjects."""
    costs: dict[str, list[Cost]] = {name: [] for name in subjects}
    for _ in range(conditions.repeats):
        for name, (subject, more) in subjects.items():
            spec = await stage.spec_with_topics(conditions, warm=total // WARM_SHARE, total=total)
            costs[name].append(await stage.measure(subject, {**spec, **more}))
    return costs


def _rows(scenario: str, costs: Mapping[str, list[Cost]]) -> list[Row]:
    """Tasks per second of CPU and of wall clock; the first subject is the baseline."""
    baseline = next(iter(costs))
    rows = []
    rates: dict[str, Callable[[Cost], float]] = {
        "us CPU/task": lambda cost: cost.cpu_s / cost.tasks * 1e6,
        "tasks/CPU-s": lambda cost: cost.tasks / cost.cpu_s,
        "tasks/s": lambda cost: cost.tasks / cost.wall_s,
    }
    for unit, rate in rates.items():
        against = (baseline, [rate(cost) for cost in costs[baseline]])
        for name, of in costs.items():
            values = [rate(cost) for cost in of]
            rows.append(row(scenario, name, values, unit, against=None if name == baseline else against))
    growth = [cost.growth for cost in costs[ROUTER]]
    return [*rows, row(scenario, "router: a task's CPU, second half of the run over the first", growth, "x")]
