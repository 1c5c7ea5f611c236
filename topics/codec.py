"""Bytes ⇄ events. The one place that encodes and decodes.

orjson writes, orjson and `msgspec.convert` read. Decoding never raises into a loop: what cannot be used
comes back as a `Rejection` that says at which stage it stopped, where, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
import orjson

from topics.events import Role, Task

T = TypeVar("T")

MAX_TASK_BYTES = 1_048_576
"""Largest task that is read. The topics take more, so that a larger one ends as a dead letter, not as an
error at its producer that nobody sees."""

MAX_DEPTH = 64
"""Deepest nesting of objects and arrays that is read. orjson reads 1,024 levels and writes 254: without a
limit an event could be read that cannot be written on."""


class Stage(StrEnum):
    """How far decoding came."""

    BYTES = "bytes"
    SIZE = "size"
    JSON = "json"
    SCHEMA = "schema"
    MEANING = "meaning"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why bytes are not an event."""

    stage: Stage
    error: str
    """Name of the error's class, for programs."""
    message: str
    """For a person. Never contains the content."""


def encode(event: object) -> bytes:
    """An event as JSON."""
    return orjson.dumps(event)


def decode(value: bytes | None, event_type: type[T], *, max_bytes: int | None = None) -> T | Rejection:
    """JSON as an event of that type, unknown fields ignored."""
    parsed = _parse(value, max_bytes)
    if isinstance(parsed, Rejection):
        return parsed
    return _validate(parsed, event_type)


def decode_task(value: bytes | None, *, max_bytes: int = MAX_TASK_BYTES) -> Task | Rejection:
    """A task that makes sense, or the reason why it does not."""
    task = decode(value, Task, max_bytes=max_bytes)
    if isinstance(task, Rejection):
        return task
    return _check_meaning(task) or task


def _parse(value: bytes | None, max_bytes: int | None) -> Any | Rejection:  # noqa: ANN401 - any JSON value
    if value is None:
        return Rejection(Stage.BYTES, "NullValue", "the record has no value; publish a JSON object")
    if max_bytes is not None and len(value) > max_bytes:
        size = f"the value has {len(value):,} bytes, the limit is {max_bytes:,}"
        return Rejection(Stage.SIZE, "ValueTooLarge", f"{size}; send less, or a reference to the material")
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        try:
            value.decode()
        except UnicodeDecodeError as bad:
            message = f"not UTF-8 at byte {bad.start}; encode the JSON as UTF-8"
            return Rejection(Stage.BYTES, "NotUtf8", message)
        return Rejection(Stage.JSON, "NotJson", f"not JSON at {where}: {error.msg}; publish one JSON object")
    if value.count(b"{") + value.count(b"[") > MAX_DEPTH and _is_deeper(parsed, MAX_DEPTH):
        message = f"objects and arrays are nested more than {MAX_DEPTH} levels deep; flatten the value"
        return Rejection(Stage.JSON, "TooDeep", message)
    return parsed


def _is_deeper(parsed: object, levels: int) -> bool:
    """Whether containers are nested deeper than that, without recursion."""
    containers = [parsed] if isinstance(parsed, dict | list) else []
    for _ in range(levels):
        inner = (one.values() if isinstance(one, dict) else one for one in containers)
        containers = [child for children in inner for child in children if isinstance(child, dict | list)]
    return bool(containers)


def _validate(parsed: object, event_type: type[T]) -> T | Rejection:
    try:
        return msgspec.convert(parsed, event_type)
    except (msgspec.ValidationError, RecursionError) as error:
        return Rejection(
            Stage.SCHEMA, "SchemaMismatch", f"{error}; see the JSON Schema of {event_type.__name__}"
        )


def _check_meaning(task: Task) -> Rejection | None:
    wrong = _meaning_error(task)
    return None if wrong is None else Rejection(Stage.MEANING, "InvalidTask", wrong)


def _meaning_error(task: Task) -> str | None:
    if task.prompt is not None and task.messages:
        return "`messages` and `prompt` are both given; give one of them"
    if task.prompt is None and not task.messages:
        return "neither `messages` nor `prompt` is given; a task needs one of them"
    if task.prompt is not None and not task.prompt.strip():
        return "`prompt` is empty; say what is to be done"
    for index, message in enumerate(task.messages):
        if message.role is Role.UNKNOWN:
            known = ", ".join(role for role in Role if role is not Role.UNKNOWN)
            return f"`messages[{index}].role` is not one of {known}"
        if not message.content and not message.tool_calls:
            return f"`messages[{index}].content` is empty; leave the message out or say something"
    return None
