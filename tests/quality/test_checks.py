from __future__ import annotations

from typing import Any

import pytest

from streams.quality import check_answer, passed
from topics.events import Task


def verdict(content: str | None, *, json: bool = False, tool_calls: Any = None, finish: str = "stop") -> bool:
    task = Task(prompt="x", response_format={"type": "json_object"} if json else None)
    return passed(check_answer(task, content=content, tool_calls=tool_calls, finish_reason=finish))


@pytest.mark.parametrize("content", [None, "", "  \n"])
def test_an_answer_without_content_fails(content: str | None) -> None:
    assert not verdict(content)


def test_tool_calls_are_an_answer() -> None:
    assert verdict(None, tool_calls=({"id": "1"},))


def test_json_is_checked_only_where_it_was_asked_for() -> None:
    assert verdict("plain text")
    assert not verdict("plain text", json=True)
    assert not verdict('{"cut": ', json=True, finish="length")
    assert not verdict("7", json=True)
    assert verdict('{"a": [1]}', json=True)
