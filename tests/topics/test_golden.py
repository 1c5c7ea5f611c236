"""Every released version of every event can be read, and is written as it was read."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
import pytest
from jsonschema import Draft202012Validator

from tests.topics.golden_events import GOLDEN
from topics import events
from topics.catalog import TOPICS
from topics.codec import Rejection, decode, decode_task, encode
from topics.headers import Source, dead_letter_headers, header
from topics.json_schema import event_schema, event_types

pytestmark = pytest.mark.contract

FOLDER: Final = Path(__file__).parent / "golden"
DEAD_LETTER: Final = FOLDER / "task.failed.v1.json"
FILES: Final = sorted(path.stem for path in FOLDER.glob("*.json") if path != DEAD_LETTER)


def _read(name: str) -> bytes:
    return (FOLDER / f"{name}.json").read_bytes()


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_event_type_of_every_topic_has_a_golden_file(topic: Any) -> None:
    files = [path.stem for path in FOLDER.glob(f"{topic.name}*.json")]
    covered = {type(GOLDEN[name]) for name in files if name in GOLDEN}
    expected = set(topic.event_types) if topic.is_json else set()
    assert files
    assert covered == expected


def test_every_golden_file_has_an_expected_event_and_the_other_way_round() -> None:
    assert sorted(GOLDEN) == FILES


@pytest.mark.parametrize("event", event_types(), ids=lambda event: event.__name__)
def test_every_field_of_an_event_is_in_one_of_its_golden_files(event: type) -> None:
    files = [orjson.loads(_read(name)) for name in FILES if type(GOLDEN[name]) is event]
    assert {field.name for field in fields(event)} - {name for file in files for name in file} == set()


@pytest.mark.parametrize("name", FILES)
def test_a_golden_file_decodes_to_exactly_the_expected_event(name: str) -> None:
    expected = GOLDEN[name]
    assert decode(_read(name), type(expected)) == expected


@pytest.mark.parametrize("name", FILES)
def test_a_golden_event_is_the_same_after_writing_and_reading(name: str) -> None:
    expected = GOLDEN[name]
    assert decode(encode(expected), type(expected)) == expected


@pytest.mark.parametrize("name", FILES)
def test_writing_a_golden_event_keeps_every_field_of_the_file(name: str) -> None:
    before = _instants_in_utc(orjson.loads(_read(name)))
    after = _instants_in_utc(orjson.loads(encode(GOLDEN[name])))
    assert _without(before, after) == []


@pytest.mark.parametrize("name", FILES)
def test_fields_of_a_newer_version_are_ignored_at_every_level(name: str) -> None:
    expected = GOLDEN[name]
    newer = orjson.dumps(_with_unknown_fields(orjson.loads(_read(name)), expected))
    assert decode(newer, type(expected)) == expected


@pytest.mark.parametrize("name", FILES)
def test_a_golden_file_and_what_is_written_from_it_fit_the_published_schema(name: str) -> None:
    validator = Draft202012Validator(event_schema(type(GOLDEN[name])))
    assert [error.message for error in validator.iter_errors(orjson.loads(_read(name)))] == []
    assert [error.message for error in validator.iter_errors(orjson.loads(encode(GOLDEN[name])))] == []


@pytest.mark.parametrize("name", [name for name in FILES if isinstance(GOLDEN[name], events.Task)])
def test_golden_tasks_make_sense(name: str) -> None:
    assert decode_task(_read(name)) == GOLDEN[name]


def test_a_dead_letter_keeps_its_record_and_gains_the_reasons() -> None:
    letter = orjson.loads(DEAD_LETTER.read_bytes())
    original = [(name, value.encode()) for name, value in letter["headers"][:2]]
    written = dead_letter_headers(
        original,
        source=Source("sluice.task.submitted.v1", 3, 1042),
        exception="NotJson",
        message="not JSON at line 1, column 12; publish one JSON object",
        stage="json",
    )
    assert written == [(name, value.encode()) for name, value in letter["headers"]]
    assert header(written, "sluice_source") == "sluice.task.submitted.v1:3:1042"
    assert isinstance(decode_task(letter["value"].encode()), Rejection)


def _with_unknown_fields(value: Any, event: Any) -> Any:
    """The JSON with a field that no version knows in every object that is an event's, not a user's."""
    fields = getattr(type(event), "__dataclass_fields__", None)
    if fields is not None:
        known = {name: _with_unknown_fields(inner, getattr(event, name)) for name, inner in value.items()}
        return known | {"field_of_v9": {"is": ["new"]}}
    if isinstance(event, tuple):
        return [_with_unknown_fields(*pair) for pair in zip(value, event, strict=True)]
    return value


def _without(before: Any, after: Any, where: str = "$") -> list[str]:
    """Paths at which `after` lacks something of `before`."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            path
            for name, value in before.items()
            for path in _without(value, after.get(name, "(missing)"), f"{where}.{name}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            path
            for index, pair in enumerate(zip(before, after, strict=True))
            for path in _without(*pair, f"{where}[{index}]")
        ]
    return [] if before == after else [where]


def _instants_in_utc(value: dict[str, Any]) -> dict[str, Any]:
    """Times that a producer gave, `Z` and `+00:00` being the same."""
    times = {
        name: msgspec.convert(value[name], events.task.Instant)
        for name in ("deadline", "submitted_at")
        if isinstance(value.get(name), str)
    }
    return value | times
