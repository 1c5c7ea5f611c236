"""Tokens: counted by the response, else estimated."""

from __future__ import annotations

from typing import Any

import pytest

from streams.call import CallOutcome, estimated_usage
from streams.call.usage import UsageError, usage_of
from tests.call.builders import a_request
from topics.events import CallStatus, Message, Role, Task, Usage


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ({}, None),
        ({"prompt_tokens": 5}, None),
        ({"prompt_tokens": None, "completion_tokens": None}, None),
        ({"prompt_tokens": 5, "completion_tokens": 7}, Usage(5, 0, 7, 0)),
        ({"prompt_tokens": 5.0, "completion_tokens": 7}, Usage(5, 0, 7, 0)),
        ({"prompt_tokens": 5, "total_tokens": 12}, Usage(5, 0, 7, 0)),
        (
            {
                "prompt_tokens": 2006,
                "completion_tokens": 300,
                "total_tokens": 2306,
                "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 192},
            },
            Usage(2006, 1920, 300, 192),
        ),
        # DeepSeek
        ({"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 8}, Usage(9, 8, 1, 0)),
        # xAI: reasoning beside the completion
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 115,
                "completion_tokens_details": {"reasoning_tokens": 100},
            },
            Usage(10, 0, 105, 100),
        ),
        # vLLM
        ({"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": None}, Usage(9, 0, 1, 0)),
        # parts are never more than the whole
        (
            {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 50}},
            Usage(3, 3, 1, 0),
        ),
    ],
)
def test_usage_is_read_as_each_provider_counts(value: object, expected: Usage | None) -> None:
    assert usage_of(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        [],
        "12",
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": -1},
        {"prompt_tokens": "1", "completion_tokens": 1},
        {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": 1.5, "completion_tokens": 1},
        {"prompt_tokens": 10**18, "completion_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": 3},
        {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": -3}},
    ],
)
def test_usage_that_makes_no_sense_is_an_error(value: object) -> None:
    with pytest.raises(UsageError):
        usage_of(value)


def words(text: str) -> int:
    return len(text.split())


def test_missing_usage_is_estimated_from_the_texts() -> None:
    parts: tuple[dict[str, Any], ...] = (
        {"type": "text", "text": "one two"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}},
    )
    task = Task(
        messages=(Message(Role.SYSTEM, "be brief"), Message(Role.USER, parts)),
        tools=({"type": "function"},),
    )
    outcome = CallOutcome(CallStatus.OK, content="three little words", tool_calls=({"id": "1"},))
    usage = estimated_usage(a_request(task), outcome, words)
    assert usage == Usage(input_tokens=4 + 2 + 4 + 2 + 1_000 + 1, output_tokens=3 + 1)


def test_no_answer_means_no_output() -> None:
    usage = estimated_usage(a_request(), CallOutcome(CallStatus.TIMEOUT, retryable=True), words)
    assert (usage.input_tokens, usage.output_tokens) == (4 + 6, 0)
