"""Tokens of a call: as a chat completion counts them, and estimated where it does not. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from topics.events import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.call.exchange import CallOutcome, CallRequest
    from topics.events import Message
    from topics.events.vocabulary import JsonObject

_MOST_TOKENS = 10**9
"""No call has more; a count above it is a mistake."""
_TOKENS_PER_MESSAGE = 4
"""What role and separators take up, as in OpenAI's cookbook on counting tokens."""
_TOKENS_PER_IMAGE = 1_000
"""About a picture of medium size (OpenAI counts 765 at 1024 x 1024, Anthropic 1,600 at most)."""


class UsageError(Exception):
    """The response's usage is of the wrong type, negative or absurd."""


def usage_of(value: object) -> Usage | None:
    """The `usage` of a response; None where there is none or half of it is missing.

    Raises:
        UsageError: see there.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise UsageError
    input_tokens, output_tokens = _count(value, "prompt_tokens"), _count(value, "completion_tokens")
    total = _count(value, "total_tokens")
    if output_tokens is None and input_tokens is not None and total is not None:
        output_tokens = max(0, total - input_tokens)
    cached = _detail(value, "prompt_tokens_details", "cached_tokens")
    if cached is None:
        cached = _count(value, "prompt_cache_hit_tokens")  # DeepSeek
    reasoning = _detail(value, "completion_tokens_details", "reasoning_tokens") or 0
    if input_tokens is None or output_tokens is None:
        return None
    if reasoning and total == input_tokens + output_tokens + reasoning:
        output_tokens += reasoning  # xAI counts reasoning beside the completion, and charges both
    return Usage(
        input_tokens=input_tokens,
        cached_input_tokens=min(cached or 0, input_tokens),
        output_tokens=output_tokens,
        reasoning_tokens=min(reasoning, output_tokens),
    )


def _detail(usage: JsonObject, group: str, name: str) -> int | None:
    details = usage.get(group)
    if details is None:
        return None
    if not isinstance(details, dict):
        raise UsageError
    return _count(details, name)


def _count(group: JsonObject, name: str) -> int | None:
    value = group.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_TOKENS:
        raise UsageError
    return value


def estimated_usage(
    request: CallRequest, outcome: CallOutcome, estimate_tokens: Callable[[str], int]
) -> Usage:
    """What a call probably used, from its texts, for responses without usage.

    Reasoning that the answer does not show cannot be seen; whether a failed call was charged at all is the
    caller's to judge.

    Args:
        request: what was sent.
        outcome: what came back; without an answer there is no output.
        estimate_tokens: tokens of a text.
    """
    messages = request.task.conversation()
    input_tokens = sum(_message_tokens(message, estimate_tokens) for message in messages)
    input_tokens += _json_tokens(request.task.tools or (), estimate_tokens)
    output_tokens = estimate_tokens(outcome.content) if outcome.content else 0
    output_tokens += _json_tokens(outcome.tool_calls or (), estimate_tokens)
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens)


def _message_tokens(message: Message, estimate_tokens: Callable[[str], int]) -> int:
    tokens = _TOKENS_PER_MESSAGE + _json_tokens(message.tool_calls or (), estimate_tokens)
    if isinstance(message.content, str):
        return tokens + estimate_tokens(message.content)
    for part in message.content or ():
        text = part.get("text")
        # Anything but text is taken for a picture: its base64 says nothing of its tokens.
        tokens += estimate_tokens(text) if isinstance(text, str) else _TOKENS_PER_IMAGE
    return tokens


def _json_tokens(objects: Iterable[JsonObject], estimate_tokens: Callable[[str], int]) -> int:
    return sum(estimate_tokens(orjson.dumps(each).decode()) for each in objects)
