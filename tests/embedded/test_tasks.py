"""The packaged corpus is varied, well-formed and deterministic."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any, cast

import orjson
import py3langid  # type: ignore[import-untyped, unused-ignore]  # it has no type information
import pytest

from streams.embedded.tasks import load_requests, malformed, tasks
from topics.codec import decode_task
from topics.events.task import Task

TYPES = {"report_summary", "feedback_sentiment", "sql", "pipeline_code", "forecast", "financial_question"}
REQUIRED = {"type", "tenant", "tags"}
OPTIONAL = {"prompt", "messages", "max_tokens", "response_format"}


def _conversation(request: dict[str, object]) -> list[dict[str, str]]:
    if "prompt" in request:
        return [{"role": "user", "content": cast("str", request["prompt"])}]
    return cast("list[dict[str, str]]", request["messages"])


def _text(request: dict[str, object]) -> str:
    return "\n".join(message["content"] for message in _conversation(request))


@pytest.mark.parametrize("request_", load_requests(), ids=lambda r: f"{r['type']}-{'-'.join(r['tags'])}")
def test_every_request_has_known_fields_of_the_right_shape(request_: dict[str, Any]) -> None:
    assert set(request_) >= REQUIRED
    assert set(request_) <= REQUIRED | OPTIONAL
    assert ("prompt" in request_) != ("messages" in request_)
    assert request_["type"] in TYPES
    assert request_["tenant"]
    assert all(isinstance(tag, str) and tag for tag in request_["tags"])
    assert isinstance(request_.get("max_tokens", 1), int)
    assert request_.get("response_format", {"type": "json_object"}) == {"type": "json_object"}
    conversation = _conversation(request_)
    assert all(set(m) == {"role", "content"} and m["content"].strip() for m in conversation)
    assert {m["role"] for m in conversation} <= {"system", "user", "assistant"}
    assert conversation[-1]["role"] == "user"


def test_the_corpus_covers_every_type_with_distinct_prompts() -> None:
    requests = load_requests()

    counts = Counter(request["type"] for request in requests)

    assert set(counts) == TYPES
    assert min(counts.values()) >= 10
    assert len({_text(request) for request in requests}) == len(requests) >= 72


def test_the_corpus_speaks_several_languages() -> None:
    detected = Counter(py3langid.classify(_text(request))[0] for request in load_requests())

    common = {language for language, count in detected.items() if count >= 2}
    assert len(common) >= 6
    assert 0.4 < detected["en"] / detected.total() < 0.7


def test_the_same_seed_gives_the_same_tasks_and_another_seed_another_order() -> None:
    assert list(tasks(200, seed=3)) == list(tasks(200, seed=3))
    assert list(tasks(20, seed=3)) == list(islice(tasks(200, seed=3), 20))
    assert [t["type"] for t in tasks(60, seed=3)] != [t["type"] for t in tasks(60, seed=4)]


def test_repeats_differ_and_task_ids_are_unique() -> None:
    many = list(tasks(500))

    assert len(many) == 500
    assert many[0]["task_id"] == "demo-0001"
    assert len({task["task_id"] for task in many}) == 500
    assert len({_text(task) for task in many}) == 500


def test_one_cycle_yields_every_request_as_it_is_in_the_file() -> None:
    requests = load_requests()

    cycle = list(tasks(len(requests)))

    assert {_text(task) for task in cycle} == {_text(request) for request in requests}


def test_every_task_and_every_example_is_accepted_by_the_contract() -> None:
    examples = Path(__file__).parents[2].joinpath("examples", "tasks.jsonl").read_bytes().splitlines()
    values = examples + [orjson.dumps(task) for task in tasks(200)]

    decoded = [decode_task(value) for value in values]

    assert [task for task in decoded if not isinstance(task, Task)] == []


def test_malformed_values_are_broken_in_three_different_ways() -> None:
    not_json, wrong_types, incomplete = malformed()

    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(not_json)
    assert isinstance(orjson.loads(wrong_types)["messages"], str)
    assert not {"messages", "prompt"} & set(orjson.loads(incomplete))
    assert not [value for value in malformed() if isinstance(decode_task(value), Task)]
