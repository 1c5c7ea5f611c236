"""`sluice config check` and `sluice config schema`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from streams.cli.config import app
from streams.config.example import example_path

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = {"OPENAI_API_KEY": "x", "ANTHROPIC_API_KEY": "x"}
WRONG = "kafka:\n  partitions: many\n  prefx: a\n"


def test_a_good_configuration_is_one_line_and_code_0() -> None:
    result = CliRunner().invoke(app, ["check", str(example_path())], env=SECRETS)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith(f"{example_path()}: 8 models, 6 rules, fingerprint ")


def test_problems_go_to_standard_error_one_a_line_and_code_2(tmp_path: Path) -> None:
    file = tmp_path / "sluice.yaml"
    file.write_text(WRONG, encoding="utf-8")
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 2
    assert result.stdout == ""
    first, second, last = result.stderr.splitlines()
    assert first.startswith(f"{file}:2: kafka.partitions: ")
    assert second.startswith(f"{file}:3: kafka.prefx: ")
    assert last == "2 problems"


def test_problems_as_json(tmp_path: Path) -> None:
    file = tmp_path / "sluice.yaml"
    file.write_text(WRONG, encoding="utf-8")
    result = CliRunner().invoke(app, ["check", str(file), "--json"])
    assert result.exit_code == 2
    said = json.loads(result.stdout)
    assert said["ok"] is False
    assert [(one["line"], one["key"], one["severity"]) for one in said["problems"]] == [
        (2, "kafka.partitions", "error"),
        (3, "kafka.prefx", "error"),
    ]


def test_warnings_do_not_fail(tmp_path: Path) -> None:
    file = tmp_path / "sluice.yaml"
    file.write_text(
        "providers: {a: {base_url: 'http://x', api_key: '${NOT_SET_ANYWHERE}'}}", encoding="utf-8"
    )
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 0
    assert result.stderr.endswith("1 warning\n")
    assert json.loads(CliRunner().invoke(app, ["check", str(file), "--json"]).stdout)["ok"] is True


def test_models_can_be_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "sluice.yaml"
    file.write_text("kafka: {prefix: a}", encoding="utf-8")
    assert CliRunner().invoke(app, ["check", str(file)]).exit_code == 0
    assert CliRunner().invoke(app, ["check", str(file), "--require-models"]).exit_code == 2


def test_the_schema_is_printed_as_json() -> None:
    result = CliRunner().invoke(app, ["schema"])
    assert json.loads(result.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
