"""Headers and ids: deterministic, readable, and never an obstacle."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topics import headers
from topics.headers import Source

TRACE = "0af7651916cd43dd8448eb211c80319c"
VALID = f"00-{TRACE}-b7ad6b7169203331-00"
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@given(st.from_regex(r"[a-zA-Z0-9._-]{1,80}", fullmatch=True), st.integers(0, 10_000), st.integers(0, 2**62))
def test_a_source_survives_being_written(topic: str, partition: int, offset: int) -> None:
    source = Source(topic, partition, offset)
    assert Source.parse(str(source)) == source


@pytest.mark.parametrize("text", ["", "topic", "topic:1", "topic:one:2"])
def test_what_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Source.parse(text)


def test_ids_are_uuid5_and_the_same_every_time() -> None:
    first = headers.call_id_of("task-1", 0, 1)
    assert first == headers.call_id_of("task-1", 0, 1) == "0080ed1f-9256-568f-a246-d22144e3484b"
    assert UUID(first).version == 5


def test_ids_of_different_things_differ() -> None:
    source = Source("sluice.task.submitted.v1", 3, 1042)
    ids = [
        headers.task_id_of(source),
        headers.decision_id_of("task-1", source),
        headers.call_id_of("task-1", 0, 0),
        headers.call_id_of("task-1", 0, 1),
        headers.call_id_of("task-1", 1, 0),
        headers.call_id_of("task-1/1", 0, 0),
        headers.call_event_id_of(headers.call_id_of("task-1", 0, 0), 0),
        headers.call_event_id_of(headers.call_id_of("task-1", 0, 0), 1),
        headers.result_id_of("task-1"),
        headers.result_id_of("task-1", 2),
    ]
    assert len(set(ids)) == len(ids)


def test_event_headers_are_cloudevents_in_binary_mode() -> None:
    written = headers.event_headers(
        event_id="e-1",
        event_type="task.routed.v1",
        producer="sluice/router",
        at=1772366400.125,
        source="t:0:1",
        traceparent=VALID,
    )
    assert written == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e-1"),
        ("ce_source", b"sluice/router"),
        ("ce_type", b"task.routed.v1"),
        ("ce_time", b"2026-03-01T12:00:00.125Z"),
        ("content-type", b"application/json"),
        ("sluice_source", b"t:0:1"),
        ("traceparent", VALID.encode()),
    ]


def test_a_derived_event_stays_in_the_trace_of_its_task_with_a_span_of_its_own() -> None:
    derived = headers.trace_parent(VALID, "seed", "event-1")
    assert TRACEPARENT.fullmatch(derived)
    assert derived.split("-")[1] == TRACE
    assert derived.split("-")[3] == "00"
    assert derived != headers.trace_parent(VALID, "seed", "event-2")


@pytest.mark.parametrize(
    "incoming",
    [
        None,
        "",
        "nonsense",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE[:-1]}g-b7ad6b7169203331-01",
        f"00-+{TRACE[1:]}-b7ad6b7169203331-01",
        f"00-{TRACE[:15]}_{TRACE[16:]}-b7ad6b7169203331-01",
    ],
)
def test_without_a_valid_trace_all_events_of_a_task_share_a_derived_one(incoming: str | None) -> None:
    first = headers.trace_parent(incoming, "task-1", "event-1")
    second = headers.trace_parent(incoming, "task-1", "event-2")
    assert TRACEPARENT.fullmatch(first)
    assert first.split("-")[1] == second.split("-")[1] != TRACE


@given(st.text())
def test_any_incoming_trace_gives_a_valid_one(incoming: str) -> None:
    assert TRACEPARENT.fullmatch(headers.trace_parent(incoming, "task-1", "event-1"))


def test_the_last_header_of_a_name_counts_and_bad_bytes_are_absent() -> None:
    record = [("a", b"1"), ("a", b"2"), ("b", b"\xff"), ("c", None)]
    assert headers.header(record, "a") == "2"
    assert headers.header(record, "b") is None
    assert headers.header(record, "c") is None
    assert headers.header(None, "a") is None


def test_a_dead_letter_header_is_utf8_whatever_the_message() -> None:
    written = headers.dead_letter_headers(
        [("x", b"\xff\x00")], source=Source("t", 0, 1), exception="E", message="\ud800 ø", stage="json"
    )
    assert written[0] == ("x", b"\xff\x00")
    assert headers.header(written, "__streams.errors.message") == "? ø"
