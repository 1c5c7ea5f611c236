"""Events of calls that tests of the tables and of the state are fed with."""

from __future__ import annotations

from typing import Any

from topics.events import CallCompleted, CallStatus, CostSource, Usage

NOW = 1_764_000_000.0
"""Some moment in November 2025, on the hour and therefore on a bucket's edge."""


def completed(number: int = 0, **changes: Any) -> CallCompleted:
    """A successful call; `changes` replace fields."""
    fields: dict[str, Any] = {
        "event_id": f"event-{number}",
        "call_id": f"call-{number}",
        "task_id": f"task-{number}",
        "source": f"sluice.task.submitted.v1:0:{number}",
        "decision_id": f"decision-{number}",
        "model": "small",
        "provider": "sim",
        "step": 0,
        "attempt": 0,
        "status": CallStatus.OK,
        "started_at": NOW - 1.0,
        "latency_s": 0.5,
        "cost_nusd": 1_000 + number,
        "cost_source": CostSource.USAGE,
        "usage": Usage(input_tokens=100, output_tokens=10),
    }
    return CallCompleted(**(fields | changes))
