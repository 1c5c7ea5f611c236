"""`sluice topics`: what it prints and its exit codes."""

from __future__ import annotations

import json
from contextlib import chdir
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner, Result

from streams.cli.topics import app
from streams.embedded.broker.ports import pick_free
from topics.catalog import TOPICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.brokers import BrokerInUse


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A working folder without a sluice.yaml."""
    with chdir(tmp_path):
        yield tmp_path


@pytest.fixture
def on_broker(folder: Path, broker: BrokerInUse, topic_prefix: str) -> Callable[..., Result]:  # noqa: ARG001 - its effect
    """Runs a command against the broker of this run."""

    def run(command: str, *options: str) -> Result:
        here = ["--brokers", broker.bootstrap, "--prefix", topic_prefix, "--partitions", "2"]
        return CliRunner().invoke(app, [command, *here, *options])

    return run


@pytest.mark.bus
def test_apply_creates_and_check_is_content(on_broker: Callable[..., Result]) -> None:
    before, applied, again, after = (on_broker(name) for name in ("check", "apply", "apply", "check"))
    assert [one.exit_code for one in (before, applied, again, after)] == [1, 0, 0, 0]
    assert "sluice topics apply" in before.stderr
    assert applied.stdout.count("created ") == len(TOPICS)
    assert again.stdout == ""
    assert after.stdout == ""


@pytest.mark.bus
def test_check_fails_and_says_what_differs(on_broker: Callable[..., Result], topic_prefix: str) -> None:
    on_broker("apply")
    text, as_json = on_broker("check", "--partitions", "4"), on_broker("check", "--partitions", "4", "--json")
    assert text.exit_code == as_json.exit_code == 1
    assert f"{topic_prefix}.task.submitted.v1: partitions should be 4, is 2" in text.stdout
    assert json.loads(as_json.stdout)["ok"] is False


@pytest.mark.bus
def test_apply_says_what_it_left_alone(on_broker: Callable[..., Result], topic_prefix: str) -> None:
    on_broker("apply")
    again = on_broker("apply", "--partitions", "4")
    assert again.exit_code == 0
    assert f"left alone: {topic_prefix}.task.submitted.v1: partitions should be 4, is 2" in again.stderr


@pytest.mark.bus
def test_json_is_all_that_standard_output_has(on_broker: Callable[..., Result]) -> None:
    missing = json.loads(on_broker("list", "--json").stdout)
    applied = json.loads(on_broker("apply", "--json").stdout)
    there = json.loads(on_broker("list", "--json").stdout)
    checked = json.loads(on_broker("check", "--json").stdout)
    assert [one["exists"] for one in missing] == [False] * len(TOPICS)
    assert applied["created"] == [one["name"] for one in there]
    assert [one["exists"] for one in there] == [True] * len(TOPICS)
    assert checked["ok"] is True


@pytest.mark.bus
def test_list_shows_every_topic_on_a_line(on_broker: Callable[..., Result], topic_prefix: str) -> None:
    listed = on_broker("list")
    assert listed.exit_code == 0
    lines = listed.stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [topic.full_name(topic_prefix) for topic in TOPICS]
    assert all(line.rstrip().endswith("missing") for line in lines)


@pytest.mark.parametrize("command", ["apply", "check", "list"])
@pytest.mark.usefixtures("folder")
def test_without_a_broker_one_line_says_what_to_do(command: str) -> None:
    address = f"127.0.0.1:{pick_free()}"
    failed = CliRunner().invoke(app, [command, "--brokers", address])
    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert len(failed.stderr.splitlines()) == 1
    assert address in failed.stderr
    assert "sluice broker" in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--partitions", "0"], "partitions"),
        (["--partitions", "many"], "partitions"),
        (["--prefix", "a b"], "prefix"),
        (["--brokers", "host:port"], "brokers"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_bad_usage_and_bad_configuration_end_with_2(arguments: list[str], says: str) -> None:
    refused = CliRunner().invoke(app, ["check", *arguments])
    assert refused.exit_code == 2
    assert says in refused.stderr


def test_asyncapi_follows_the_configuration_and_the_command_line(folder: Path) -> None:
    (folder / "sluice.yaml").write_text("kafka: {prefix: acme, partitions: 5}\n")
    printed = CliRunner().invoke(app, ["asyncapi", "--brokers", "kafka:9092"])
    channel = json.loads(printed.stdout)["channels"]["task.submitted.v1"]
    assert printed.exit_code == 0
    assert channel["address"] == "acme.task.submitted.v1"
    assert channel["bindings"]["kafka"]["partitions"] == 5
    assert json.loads(printed.stdout)["servers"]["kafka1"]["host"] == "kafka:9092"


@pytest.mark.usefixtures("folder")
def test_asyncapi_as_yaml_is_the_same_document() -> None:
    as_json = CliRunner().invoke(app, ["asyncapi"])
    as_yaml = CliRunner().invoke(app, ["asyncapi", "--yaml"])
    assert yaml.safe_load(as_yaml.stdout) == json.loads(as_json.stdout)
