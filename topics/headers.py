"""Record headers and the ids of derived events.

CloudEvents 1.0 in Kafka's binary mode, W3C trace context, and `sluice_source`. Ids of derived events are
deterministic, so an event that is written again after a crash is recognised as the same one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b, md5, sha1
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Headers = list[tuple[str, bytes]]

NAMESPACE = UUID("5b1c3f0e-6f0a-5d43-9c55-6a1d2f6c7e10")
"""UUIDv5 namespace of every id that Sluice derives."""
_NAMESPACE_BYTES = NAMESPACE.bytes
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""First digit of the fourth group with the variant bits of RFC 9562 set."""

_TRACE_PARENT = re.compile(
    r"^[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})-[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})"
)

SOURCE_HEADER = "sluice_source"
TRACE_HEADER = "traceparent"


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """Where a task's record lies."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Source:
        """The inverse of `str`.

        Raises:
            ValueError: `text` is not `topic:partition:offset`.
        """
        topic, partition, offset = text.rsplit(":", 2)
        return cls(topic, int(partition), int(offset))


def derived_id(*parts: object) -> str:
    """UUIDv5 (RFC 9562) of the parts, joined by `/`; four times as fast as the standard library's."""
    digest = sha1(_NAMESPACE_BYTES + "/".join(map(str, parts)).encode(), usedforsecurity=False).digest()
    text = digest[:16].hex()
    variant = _VARIANT[text[16]]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def task_id_of(source: Source) -> str:
    """The id of a task whose producer gave none."""
    return derived_id("task", source)


def call_id_of(decision_id: str, step: int, attempt: int) -> str:
    """The id of a call, which is also its idempotency key at the provider.

    The decision's id stands for the task and where it lies: a call repeated after a crash has the same id, a task
    that is submitted once more has calls of its own.
    """
    return derived_id("call", decision_id, step, attempt)


def call_event_id_of(call_id: str, repeat: int) -> str:
    """The id of `call.completed`: one per start of a call."""
    return derived_id("call.completed", call_id, repeat)


def lost_call_event_id_of(call_id: str, repeat: int) -> str:
    """The id of a `call.completed` that says `outcome_unknown`.

    It differs from that of the call's own end, which a router that was only thought dead may yet report.
    """
    return derived_id("call.completed", call_id, repeat, "outcome_unknown")


def decision_id_of(task_id: str, source: Source | str) -> str:
    """The id of `task.routed`."""
    return derived_id("task.routed", task_id, source)


def result_id_of(decision_id: str, revision: int = 1) -> str:
    """The id of `task.completed`."""
    return derived_id("task.completed", decision_id, revision)


def trace_parent(incoming: str | None, trace_seed: str, event_id: str) -> str:
    """A W3C `traceparent` for a derived event: the task's trace, a span of its own.

    Without a valid incoming one the trace id is derived from `trace_seed`, so all events of a task share it.
    """
    span = md5(event_id.encode(), usedforsecurity=False).hexdigest()[:16]
    if incoming is not None and (match := _TRACE_PARENT.match(incoming)):
        return f"00-{match['trace']}-{span}-{match['flags']}"
    trace = blake2b(trace_seed.encode(), digest_size=16).hexdigest()
    return f"00-{trace}-{span}-01"


def event_headers(
    *,
    event_id: str,
    event_type: str,
    producer: str,
    at: float,
    source: str | None = None,
    traceparent: str | None = None,
) -> Headers:
    """Headers of an event that Sluice writes.

    Args:
        event_id: `ce_id`.
        event_type: `ce_type`: the topic's name without its prefix, `task.routed.v1`.
        producer: `ce_source`: who writes, `sluice/router`.
        at: seconds since the epoch.
        source: `topic:partition:offset` of the task it derives from.
        traceparent: W3C trace context.
    """
    time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", producer.encode()),
        ("ce_type", event_type.encode()),
        ("ce_time", time.encode()),
        ("content-type", b"application/json"),
    ]
    if source is not None:
        headers.append((SOURCE_HEADER, source.encode()))
    if traceparent is not None:
        headers.append((TRACE_HEADER, traceparent.encode()))
    return headers


def header(headers: Iterable[tuple[str, bytes | None]] | None, name: str) -> str | None:
    """The last header of that name as text, or None. Bytes that are not UTF-8 count as absent."""
    found: bytes | None = None
    for key, value in headers or ():
        if key == name:
            found = value
    if found is None:
        return None
    try:
        return found.decode()
    except UnicodeDecodeError:
        return None


def dead_letter_headers(
    original: Sequence[tuple[str, bytes]],
    *,
    source: Source,
    exception: str,
    message: str,
    stage: str,
) -> Headers:
    """The original headers untouched, then those that Kafka Streams 4.2 gives its dead letters (KIP-1034).

    Args:
        original: headers of the record as it came.
        source: where the record lies.
        exception: name of the error's class.
        message: for a person: what is wrong, where, and what to do.
        stage: where decoding stopped (bytes, size, json, schema, meaning); stands for the stack trace.
    """
    why = {
        "topic": source.topic,
        "partition": str(source.partition),
        "offset": str(source.offset),
        "exception": exception,
        "message": message,
        "stacktrace": stage,
    }
    return [
        *original,
        *((f"__streams.errors.{name}", value.encode("utf-8", "replace")) for name, value in why.items()),
        (SOURCE_HEADER, str(source).encode()),
    ]
