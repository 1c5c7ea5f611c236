"""Checks that need nothing but the task and the answer.

A check that cannot tell says so (`passed` is None) and does not stop the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from topics.events import CheckOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from topics.events import Task
    from topics.events.vocabulary import JsonObject


def check_answer(
    task: Task,
    *,
    content: str | None,
    tool_calls: Sequence[JsonObject] | None,
    finish_reason: str | None,
) -> tuple[CheckOutcome, ...]:
    """Every check that applies to the task, until one fails."""
    outcomes = [_not_empty(content, tool_calls)]
    if outcomes[0].passed and not tool_calls and _wants_json(task):
        outcomes.append(_is_json(content or "", finish_reason))
    return tuple(outcomes)


def passed(outcomes: Sequence[CheckOutcome]) -> bool:
    """Whether no check failed."""
    return all(outcome.passed is not False for outcome in outcomes)


def _not_empty(content: str | None, tool_calls: Sequence[JsonObject] | None) -> CheckOutcome:
    if tool_calls or (content and content.strip()):
        return CheckOutcome("not_empty", passed=True)
    return CheckOutcome("not_empty", passed=False, reason="the answer has neither text nor tool calls")


def _wants_json(task: Task) -> bool:
    return (task.response_format or {}).get("type") in {"json_object", "json_schema"}


def _is_json(content: str, finish_reason: str | None) -> CheckOutcome:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        cut = " (cut at max_tokens)" if finish_reason == "length" else ""
        return CheckOutcome("json", passed=False, reason=f"JSON was asked for, the answer is not{cut}")
    if not isinstance(value, dict | list):
        return CheckOutcome("json", passed=False, reason="JSON was asked for, the answer is a bare value")
    return CheckOutcome("json", passed=True)
