"""`sluice` itself: its help, its speed, and how commands end when something is wrong."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import time
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from streams.cli import app
from streams.cli.lazy import Entry, LazyGroup
from streams.embedded.broker.ports import LOOPBACK, pick_free
from tests.cli.harness import PROJECT

if TYPE_CHECKING:
    from tests.cli.harness import Folder

HEAVY = ("aiokafka", "numpy", "pydantic", "msgspec", "aiohttp", "faust")


async def test_help_names_every_command(here: Folder) -> None:
    ended = await here.run("--help")

    assert ended.code == 0
    for command in (
        *("demo", "up", "worker", "broker", "simulate", "submit", "results", "dlq"),
        *("decide", "explain", "models", "state", "config", "topics"),
    ):
        assert f" {command} ".encode() in ended.out


def test_help_answers_at_once() -> None:
    processor_s = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "streams.cli", "--help"], cwd=PROJECT, check=True, stdout=PIPE)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    assert min(processor_s) < 0.5  # 0.2 s where nothing else runs


async def test_help_imports_nothing_heavy(here: Folder) -> None:
    ended = await here.run("--help", PYTHONPROFILEIMPORTTIME="1")

    imported = {line.rpartition("|")[2].strip() for line in ended.error.splitlines()}
    assert "typer" in imported
    assert imported.isdisjoint(HEAVY)


def test_every_command_has_help_of_its_own() -> None:
    for command in ("worker", "submit", "results", "dlq", "decide", "explain", "models", "topics"):
        ended = CliRunner().invoke(app, [command, "--help"])
        assert ended.exit_code == 0, ended.output
        assert "Usage: " in ended.output


def test_the_version_is_printed() -> None:
    ended = CliRunner().invoke(app, ["--version"])

    assert ended.exit_code == 0
    assert ended.output.startswith("sluice ")


def test_a_command_that_is_misspelt_is_bad_usage() -> None:
    ended = CliRunner().invoke(app, ["submitt"])

    assert ended.exit_code == 2
    assert "'submit'" in ended.stderr


class _Unfinished(LazyGroup):
    entries = (
        Entry("gone", "streams.cli.no_such_module", "Not there."),
        Entry("empty", "streams.cli.worker_nothing", "Not there either."),
    )


def test_a_command_that_is_not_installed_breaks_no_other() -> None:
    unfinished = typer.Typer(cls=_Unfinished)
    unfinished.callback()(lambda: None)

    listed, used = (CliRunner().invoke(unfinished, [argument]) for argument in ("--help", "gone"))

    assert listed.exit_code == 0
    assert "Not there." in listed.output
    assert used.exit_code == 1
    assert "not part of this installation" in used.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["results"],
        ["dlq", "list"],
        ["dlq", "replay", "--all"],
        ["explain", "a-task"],
        ["submit", "tasks.jsonl"],
    ],
)
async def test_without_a_broker_it_is_one_sentence(here: Folder, command: list[str]) -> None:
    here.write("tasks.jsonl", '{"prompt": "Why?"}\n')
    address = f"{LOOPBACK}:{pick_free()}"

    ended = await here.run(*command, "--brokers", address)

    assert ended.code == 1
    assert ended.out == b""
    assert ended.error.count("\n") == 1
    assert f"no Kafka broker answers at {address}" in ended.error
    assert "sluice broker" in ended.error


@pytest.mark.system
async def test_a_broker_that_accepts_and_says_nothing_is_given_up(here: Folder) -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        address = f"{LOOPBACK}:{silent.getsockname()[1]}"
        began = time.perf_counter()
        ended = await here.run("results", "--brokers", address)

    assert ended.code == 1
    assert f"no Kafka broker answers at {address}" in ended.error
    assert time.perf_counter() - began < 20


async def test_a_bad_configuration_is_named_with_file_and_line(here: Folder) -> None:
    here.write("bad.yaml", "kafka:\n  brokerz: localhost:9092\n")

    ended = await here.run("results", "--config", "bad.yaml")

    assert ended.code == 2
    assert "bad.yaml:2: kafka.brokerz" in ended.error
    assert "Traceback" not in ended.error


@pytest.mark.parametrize("option", [("--prefix", "a b"), ("--brokers", "a b")])
async def test_an_option_that_makes_no_sense_is_bad_usage(here: Folder, option: tuple[str, str]) -> None:
    ended = await here.run("results", *option)

    assert ended.code == 2
    assert "Traceback" not in ended.error


async def test_a_missing_secret_is_bad_configuration(here: Folder) -> None:
    here.write(
        "secure.yaml",
        "kafka:\n  security:\n    protocol: SASL_PLAINTEXT\n    mechanism: PLAIN\n    username: me\n"
        "    password: ${A_PASSWORD_THAT_IS_NOT_SET}\n",
    )

    ended = await here.run("results", "--config", "secure.yaml")

    assert ended.code == 2
    assert "A_PASSWORD_THAT_IS_NOT_SET is not set" in ended.error
