"""What is generated is fresh, valid, and made for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from topics.asyncapi import document
from topics.catalog import TOPICS
from topics.generate import BEGIN, END, MarkersMissingError, expected, main, stale, write
from topics.json_schema import event_schema, event_types, file_name

pytestmark = pytest.mark.contract

ROOT: Final = Path(__file__).parents[2]
OFFICIAL: Final = Path(__file__).parent / "third_party" / "asyncapi-3.0.0.schema.json"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with what the generator needs, all fresh."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "topics.md").write_text(f"# Topics\n{BEGIN}\n{END}\nrest\n")
    write(tmp_path)
    return tmp_path


def test_the_generated_files_are_fresh() -> None:
    assert stale(ROOT) == []


def test_the_command_says_so_with_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_generating_twice_writes_the_same() -> None:
    assert expected(ROOT) == expected(ROOT)


def test_a_changed_a_missing_and_a_left_over_file_are_stale_until_written(copy: Path) -> None:
    schemas = copy / "topics" / "schemas"
    (schemas / "asyncapi.json").write_text("{}")
    (schemas / "Task.v1.json").unlink()
    (schemas / "Gone.v1.json").write_text("{}")
    (copy / "docs" / "topics.md").write_text(f"{BEGIN}{END}")
    assert {path.name for path in stale(copy)} == {
        "asyncapi.json",
        "Task.v1.json",
        "Gone.v1.json",
        "topics.md",
    }
    write(copy)
    assert stale(copy) == []
    assert not (schemas / "Gone.v1.json").exists()


def test_the_text_around_the_table_stays(copy: Path) -> None:
    page = (copy / "docs" / "topics.md").read_text()
    assert page.startswith("# Topics\n")
    assert page.endswith("\nrest\n")
    assert all(f"`{topic.name}`" in page for topic in TOPICS)


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "topics.md").write_text("# Topics\n")
    with pytest.raises(MarkersMissingError, match="needs the lines"):
        stale(tmp_path)


@pytest.mark.parametrize("event", event_types(), ids=file_name)
def test_a_schema_is_valid_and_says_what_it_is(event: type) -> None:
    schema = event_schema(event)
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == event.__name__
    assert schema["$id"].startswith("urn:sluice:event:")


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ({"prompt": "x"}, True),
        ({"messages": [{"role": "user", "content": "x"}]}, True),
        ({"prompt": "x", "messages": [], "colour": "red"}, True),
        ({}, False),
        ({"prompt": ""}, False),
        ({"prompt": "x", "messages": [{"role": "user", "content": "x"}]}, False),
    ],
)
def test_the_schema_of_a_task_wants_a_prompt_or_messages(value: dict[str, Any], *, valid: bool) -> None:
    [task] = [event for event in event_types() if event.__name__ == "Task"]
    assert Draft202012Validator(event_schema(task)).is_valid(value) is valid


@pytest.mark.parametrize(
    "arguments",
    [{}, {"prefix": "acme.eu", "brokers": "a:1, b:2", "partitions": 12, "replication": 3}],
    ids=["default", "configured"],
)
def test_the_asyncapi_document_is_valid_by_the_official_schema(arguments: dict[str, Any]) -> None:
    official = Draft7Validator(json.loads(OFFICIAL.read_text(encoding="utf-8")))
    found = official.iter_errors(json.loads(json.dumps(document(**arguments))))
    assert [f"{error.json_path}: {error.message}" for error in found] == []


def test_the_official_schema_does_refuse() -> None:
    official = Draft7Validator(json.loads(OFFICIAL.read_text(encoding="utf-8")))
    broken = document()
    broken["operations"]["receive.task.submitted.v1"]["action"] = "digest"
    assert not official.is_valid(broken)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    found = document()
    references = [value for key, value in _pairs(found) if key == "$ref"]
    assert references
    assert [reference for reference in references if not _resolves(found, reference)] == []


def test_the_asyncapi_document_has_every_public_topic_and_no_internal_one() -> None:
    assert set(document()["channels"]) == {topic.name for topic in TOPICS if not topic.internal}


def test_the_asyncapi_document_follows_the_configuration() -> None:
    found = document(prefix="acme", brokers="a:1,b:2", partitions=12, replication=3)
    channel = found["channels"]["task.submitted.v1"]
    assert [server["host"] for server in found["servers"].values()] == ["a:1", "b:2"]
    assert channel["address"] == "acme.task.submitted.v1"
    assert channel["bindings"]["kafka"]["partitions"] == 12
    assert channel["bindings"]["kafka"]["replicas"] == 3
    assert found["channels"]["policy.v1"]["bindings"]["kafka"]["partitions"] == 1


def test_a_union_gives_a_message_for_each_of_its_types() -> None:
    assert set(document()["channels"]["state.v1"]["messages"]) == {
        "state.v1.SpendPartial",
        "state.v1.HealthPartial",
    }


def test_dead_letters_are_any_bytes() -> None:
    message = document()["components"]["messages"]["task.failed.v1"]
    assert message["contentType"] == "application/octet-stream"
    assert set(message["payload"]) == {"description"}


def _pairs(value: Any) -> list[tuple[str, Any]]:
    """Every key and value in a document, at any depth."""
    if isinstance(value, dict):
        return [*value.items(), *(pair for inner in value.values() for pair in _pairs(inner))]
    if isinstance(value, list):
        return [pair for inner in value for pair in _pairs(inner)]
    return []


def _resolves(found: dict[str, Any], reference: str) -> bool:
    node: Any = found
    for part in reference.removeprefix("#/").split("/"):
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True
