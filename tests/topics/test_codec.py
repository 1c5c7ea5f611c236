"""Decoding tells what is wrong and never raises."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from topics import events
from topics.codec import MAX_DEPTH, MAX_TASK_BYTES, Rejection, Stage, decode, decode_task, encode

FIELDS = sorted(events.Task.__dataclass_fields__)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["user", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+23:59", "text"])
)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*FIELDS, "role", "content", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "narrator"]), "content": json_values}),
    max_size=3,
)
near_tasks = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6) | st.fixed_dictionaries(
    {},
    optional={"prompt": st.text(max_size=9), "messages": messages, "metadata": json_values, "seed": scalars},
)


def nested(levels: int) -> bytes:
    return b'{"prompt":"x","metadata":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}"


@given(st.binary(max_size=300))
@example(b"")
@example(b"\xff\xfe")
@example(b'{"prompt": "\\ud800"}')
@example(nested(5_000))
@example(nested(MAX_DEPTH + 1))
def test_any_bytes_are_a_task_or_a_rejection_with_a_message(value: bytes) -> None:
    outcome = decode_task(value)
    assert isinstance(outcome, events.Task) or (isinstance(outcome, Rejection) and outcome.message)


@given(json_values | near_tasks)
def test_any_json_is_a_task_or_a_rejection_and_a_task_can_be_written_again(value: Any) -> None:
    outcome = decode_task(orjson.dumps(value))
    if isinstance(outcome, Rejection):
        assert outcome.message
        assert outcome.error
    else:
        assert decode_task(encode(outcome)) == outcome


@pytest.mark.parametrize(
    ("value", "stage", "says"),
    [
        (None, Stage.BYTES, "no value"),
        (b"\xff", Stage.BYTES, "not UTF-8 at byte 0"),
        (b'{"prompt": "' + b"x" * MAX_TASK_BYTES + b'"}', Stage.SIZE, "the limit is 1,048,576"),
        (b'{"prompt": ', Stage.JSON, "not JSON at line 1, column"),
        (nested(MAX_DEPTH), Stage.JSON, "nested more than 64 levels"),
        (b"[]", Stage.SCHEMA, "got `array`"),
        (b'{"prompt": 7}', Stage.SCHEMA, "at `$.prompt`"),
        (b'{"prompt": "x", "max_tokens": 0}', Stage.SCHEMA, "at `$.max_tokens`"),
        (b'{"prompt": "x", "deadline": "2026-01-01T00:00:00"}', Stage.SCHEMA, "timezone"),
        (b"{}", Stage.MEANING, "neither `messages` nor `prompt`"),
        (b'{"prompt": " "}', Stage.MEANING, "`prompt` is empty"),
        (b'{"prompt": "x", "messages": [{"role": "user", "content": "y"}]}', Stage.MEANING, "both given"),
        (b'{"messages": [{"role": "narrator", "content": "y"}]}', Stage.MEANING, "messages[0].role"),
        (b'{"messages": [{"role": "user"}]}', Stage.MEANING, "messages[0].content"),
    ],
)
def test_a_rejection_names_its_stage_and_says_what_is_wrong(
    value: bytes | None, stage: Stage, says: str
) -> None:
    outcome = decode_task(value)
    assert isinstance(outcome, Rejection)
    assert outcome.stage is stage
    assert says in outcome.message


def test_a_rejection_never_repeats_the_content() -> None:
    secret = "hunter2"
    values = [
        b'{"prompt": hunter2}',
        b'{"prompt": ["hunter2"]}',
        b'{"prompt": "x", "deadline": "hunter2"}',
        b'{"messages": [{"role": "hunter2", "content": "hunter2"}]}',
        b'{"prompt": "x", "tags": {"hunter2": 1}}',
        b'{"prompt": "x", "tags": [""], "metadata": {"hunter2": 1}}',
        b"hunter2",
    ]
    outcomes = [decode_task(value) for value in values]
    assert all(isinstance(outcome, Rejection) for outcome in outcomes)
    assert not [outcome for outcome in outcomes if secret in str(outcome)]


def test_the_deepest_value_that_is_read_can_be_written() -> None:
    task = decode_task(nested(MAX_DEPTH - 1))
    assert isinstance(task, events.Task)
    assert decode_task(encode(task)) == task


def test_a_prompt_stands_for_one_user_message() -> None:
    task = decode_task(b'{"prompt": "Say hello."}')
    assert isinstance(task, events.Task)
    assert task.conversation() == (events.Message(role=events.Role.USER, content="Say hello."),)


def test_unknown_fields_are_ignored() -> None:
    assert decode_task(b'{"prompt": "x", "colour": "red"}') == events.Task(prompt="x")


@pytest.mark.parametrize(
    ("value", "event", "field", "expected"),
    [
        ({"lease_id": "a", "limit": "b", "router": "c", "action": "steal", "amount": 1, "requested_at": 0.0},
         events.LeaseRequested, "action", events.LeaseAction.UNKNOWN),
        ({"task_id": "a", "kind": "telepathy"}, events.FeedbackSubmitted, "kind", events.FeedbackKind.UNKNOWN),
        ({"role": "narrator"}, events.Message, "role", events.Role.UNKNOWN),
        ({"kind": "tournament", "steps": []}, events.Plan, "kind", events.PlanKind.UNKNOWN),
    ],
)  # fmt: skip
def test_an_enum_value_of_a_newer_version_is_unknown(
    value: dict[str, Any], event: type, field: str, expected: object
) -> None:
    assert getattr(decode(orjson.dumps(value), event), field) is expected
