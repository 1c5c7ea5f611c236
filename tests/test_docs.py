"""The documentation tells the truth, as far as a machine can check: links, names, commands, snippets."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml
from typer.testing import CliRunner

from streams.cli import app
from streams.config.load import load_settings
from streams.config.settings import Settings
from streams.router.metrics import Metrics
from streams.tables.metrics import TablesMetrics
from topics.codec import Rejection, decode_task
from topics.events import Task

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SECRETS = {"OPENAI_API_KEY": "x", "KAFKA_PASSWORD": "x"}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_METRIC = re.compile(r"`(sluice_[a-z_]+)`")
_PATH = re.compile(r"(?:streams|topics|tests|docs|deploy|examples)/[\w./-]*")
_SHELL = ("sh", "")


class Snippet(NamedTuple):
    """A fenced block."""

    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.page.read_text().split(self.text)[0].count(chr(10)) + 1}"


def snippets(*languages: str) -> list[Snippet]:
    return [
        Snippet(page, language, text)
        for page in PAGES
        for language, text in _FENCE.findall(page.read_text())
        if language in languages
    ]


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text()):
        name, _, fragment = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if fragment and target.suffix == ".md":
            assert fragment in {anchor(found) for found in _HEADING.findall(target.read_text())}, link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_are_named_exist(page: Path) -> None:
    named = [path for code in _CODE.findall(page.read_text()) for path in _PATH.findall(code)]
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_tests_that_are_named_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/design.md").read_text()))
    source = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 20
    assert named - set(re.findall(r"def (test_\w+)\(", source)) == set()


def test_every_metric_is_described_and_no_other() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    families = [
        *Metrics().registry.collect(),
        *TablesMetrics().registry.collect(),
    ]
    exposed = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    assert set(_METRIC.findall(page)) == exposed


def test_failure_codes_are_those_of_the_code() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    table = page.split("| code | what to do |")[1].split("\n\n")[0]
    codes = {
        code for first in re.findall(r"^\|([^|]*)", table, re.MULTILINE) for code in _CODE.findall(first)
    }
    source = "".join(file.read_text() for file in (ROOT / "streams").rglob("*.py"))
    assert len(codes) > 5
    assert {code for code in codes if f'"{code}"' not in source} == set()


@pytest.mark.parametrize("snippet", snippets("yaml"), ids=str)
def test_configurations_are_valid(snippet: Snippet, tmp_path: Path) -> None:
    assert set(yaml.safe_load(snippet.text)) <= set(Settings.model_fields), "mark as yaml only whole files"
    file = tmp_path / "sluice.yaml"
    file.write_text(snippet.text)
    assert load_settings(file, environ=SECRETS, require_models=True).models


@pytest.mark.parametrize("snippet", snippets("python"), ids=str)
def test_programs_compile(snippet: Snippet) -> None:
    ast.parse(snippet.text)


@pytest.mark.parametrize("snippet", snippets("json"), ids=str)
def test_json_is_json_and_tasks_are_tasks(snippet: Snippet) -> None:
    value = json.loads(snippet.text)
    if {"prompt", "messages"} & set(value):
        task = decode_task(snippet.text.encode())
        assert not isinstance(task, Rejection), task
        assert set(value) <= set(Task.__dataclass_fields__)


def commands() -> list[str]:
    """Every `sluice …` of the pages: in shell blocks, behind a prompt or a pipe, and in the text."""
    found: set[str] = set()
    for page in PAGES:
        text = page.read_text()
        for language, block in _FENCE.findall(text):
            if language in _SHELL:
                found.update(re.findall(r"(?:^|\| |^\$ )(sluice [^|#\n>]+)", block, re.MULTILINE))
        found.update(code for code in _CODE.findall(_FENCE.sub("", text)) if code.startswith("sluice "))
    return sorted({command.strip() for command in found})


def resolve(command: str) -> tuple[list[str], Any]:
    """The names down to the command, and the command itself, imported."""
    names: list[str] = []
    here: Any = typer.main.get_command(app)
    rest = shlex.split(command)[1:]
    while rest and hasattr(here, "resolve_command") and not rest[0].startswith("-"):
        name, here, rest = here.resolve_command(typer.Context(here), rest)
        names.append(name)
    return names, here


@pytest.mark.parametrize("command", commands())
def test_commands_exist_with_their_options(command: str) -> None:
    names, found = resolve(command)
    result = CliRunner().invoke(app, [*names, "--help"])
    assert result.exit_code == 0, result.output
    known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
    given = [word for word in shlex.split(command) if re.fullmatch(r"--?[a-z][a-z-]*", word)]
    assert set(given) <= known | {"--help"}


def test_make_targets_exist() -> None:
    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE)
    }
    makefile = (ROOT / "Makefile").read_text()
    assert named
    assert {target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


def test_the_documentation_speaks_of_the_product_alone() -> None:
    for page in PAGES:
        assert not re.search(r"/(?:home|root|Users)/|\bTODO\b|\bFIXME\b|@@", page.read_text()), page.name
