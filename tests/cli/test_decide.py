"""`sluice decide`, `sluice explain FILE` and `sluice models`: what needs no broker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.harness import PROJECT, json_lines
from topics import codec
from topics.events import TaskRouted

if TYPE_CHECKING:
    from tests.cli.harness import Folder

EXAMPLES = str(PROJECT / "examples" / "tasks.jsonl")
MIXED = b'{"prompt": "Why?"}\n\n{"prompt": \n[]\n{"prompt": "How?", "task_id": "t-2"}\n'


async def test_the_same_file_gives_the_same_bytes(here: Folder) -> None:
    first, second = [await here.run("decide", EXAMPLES, PYTHONHASHSEED=seed) for seed in ("1", "2")]

    assert first.code == second.code == 0
    assert first.out == second.out
    assert len(first.lines) == 8


async def test_decisions_are_events_of_the_contract(here: Folder) -> None:
    ended = await here.run("decide", EXAMPLES)

    decisions = [codec.decode(line, TaskRouted) for line in ended.out.splitlines()]
    assert all(isinstance(one, TaskRouted) for one in decisions)
    assert [one["plan"]["steps"][0]["model"] for one in ended.lines if one["features"]["type"] == "sql"] == [
        "middle",
        "middle",
    ]


async def test_a_bad_line_is_named_and_the_others_are_decided(here: Folder) -> None:
    ended = await here.run("decide", "-", given=MIXED)

    assert ended.code == 1
    assert [one["source"] for one in ended.lines] == ["file:0:0", "file:0:4"]
    assert ended.lines[1]["task_id"] == "t-2"
    assert "<stdin>:3: not JSON" in ended.error
    assert "<stdin>:4: Expected `object`" in ended.error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.jsonl",), "nowhere.jsonl: No such file"),
        ((EXAMPLES, "--config", "nowhere.yaml"), "nowhere.yaml"),
        ((EXAMPLES, "--now", "yesterday"), "--now yesterday"),
        ((EXAMPLES, "--now", "2025-06-01T12:00:00"), "with its zone"),
    ],
)
async def test_bad_usage_is_exit_code_2(here: Folder, arguments: tuple[str, ...], said: str) -> None:
    ended = await here.run("decide", *arguments)

    assert ended.code == 2
    assert ended.out == b""
    assert said in ended.error
    assert "Traceback" not in ended.error


async def test_time_and_seed_can_be_given(here: Folder) -> None:
    late = json_lines([{"prompt": "Why?", "deadline": "2025-06-01T12:00:00Z"}])

    in_time = await here.run("decide", "-", given=late)
    too_late = await here.run("decide", "-", "--now", "2025-06-01T12:00:01Z", "--seed", "7", given=late)

    assert in_time.lines[0]["failure_code"] is None
    assert too_late.lines[0]["failure_code"] == "deadline_passed"
    assert (too_late.lines[0]["seed"], too_late.lines[0]["decided_at"]) == (7, 1748779201.0)


async def test_without_a_configuration_the_example_decides(here: Folder) -> None:
    (here.path / "sluice.yaml").unlink()

    ended = await here.run("decide", "-", given=b'{"prompt": "Why?"}\n')

    assert ended.code == 0, ended.error
    assert len(ended.lines) == 1
    assert "example.yaml" in ended.error


@pytest.mark.parametrize("width", ["80", "120"])
async def test_an_explanation_fits_the_terminal(here: Folder, width: str) -> None:
    task = {
        "task_id": "t-1",
        "prompt": "Describe this at length.",
        "requirements": {"capabilities": ["vision"], "max_cost_usd": 0.5},
        "tags": ["[bold]not markup[/bold]", "\x1b[31mred"],
    }

    ended = await here.run("explain", "-", given=json_lines([task]), COLUMNS=width)

    text = ended.out.decode()
    assert ended.code == 0
    assert max(map(len, text.splitlines())) <= int(width)
    for expected in (
        "Task t-1",
        "large  is called",
        "lacks vision",
        "[bold]not markup[/bold]",
        "\\x1b[31mred",
    ):
        assert expected in text
    assert "\x1b" not in text


async def test_an_explanation_as_json_has_the_decision(here: Folder) -> None:
    decided = await here.run("decide", EXAMPLES)
    explained = await here.run("explain", EXAMPLES, "--json")

    assert [one["decision"] for one in explained.lines] == decided.lines


async def test_models_are_shown_with_their_prices(here: Folder) -> None:
    text, as_json = await here.run("models"), await here.run("models", "--json")

    assert [line.split()[:5] for line in text.out.decode().splitlines()[1:]] == [
        ["small", "local", "efficient", "0.1", "0.4"],
        ["middle", "local", "standard", "1", "4"],
        ["large", "local", "premium", "10", "40"],
    ]
    assert [one["price_source"] for one in json.loads(as_json.out)] == ["configured"] * 3
