"""`sluice config import`: what goes where, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from streams.cli.config import app
from streams.config.load import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

SOURCE = """\
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: sk-very-secret, rpm: 5}
  - model_name: gpt-4o
    litellm_params: {model: azure/a-deployment-with-a-rather-long-name, api_base: os.environ/BASE, rpm: 6}
    model_info: {input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
  - model_name: claude
    litellm_params: {model: bedrock/anthropic.claude-v2}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(SOURCE, encoding="utf-8")
    return file


def run(*arguments: str | Path, columns: int = 120) -> Result:
    return CliRunner().invoke(app, ["import", *map(str, arguments)], env={"COLUMNS": str(columns)})


def test_the_configuration_goes_to_standard_output_and_the_report_to_standard_error(source: Path) -> None:
    result = run(source)
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "# Made from LiteLLM's config.yaml by `sluice config import`.\n\nproviders:\n"
    )
    assert "Taken over (" in result.stderr
    assert "sk-very-secret" not in result.output


def test_what_is_written_loads(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "sluice.yaml"
    result = run(source, "--output", output)
    assert (result.exit_code, result.stdout) == (0, "")
    settings = load_settings(output, environ={"BASE": "https://r.openai.azure.com"}, require_models=True)
    assert [model.name for model in settings.models] == ["gpt-4o", "gpt-4o-2"]
    assert settings.providers["azure"].base_url == "https://r.openai.azure.com/openai/v1"


@pytest.mark.parametrize("columns", [80, 120])
def test_the_report_fits_the_terminal(source: Path, columns: int) -> None:
    lines = run(source, columns=columns).stderr.splitlines()
    assert max(map(len, lines)) <= columns
    said = " ".join(" ".join(lines).split())
    assert "model_list[].litellm_params.rpm (2 keys)" in said
    assert '"claude" is left out: Amazon Bedrock speaks a format of its own' in said
    assert "export OPENAI_API_KEY" in said
    assert "2 models, 1 rule; of its keys" in said


def test_the_report_as_json_is_on_standard_output_where_the_configuration_is_not(
    source: Path, tmp_path: Path
) -> None:
    output = tmp_path / "sluice.yaml"
    said = json.loads(run(source, "--json", "-o", output).stdout)
    assert (said["ok"], said["from"], said["models"], said["rules"]) == (True, "litellm", 2, 1)
    assert said["entries"][0] == {
        "key": "model_list[0].model_name",
        "outcome": "taken_over",
        "what": "model `gpt-4o`",
    }
    assert sum(said["keys"].values()) == len(said["entries"])
    assert {export["name"] for export in said["exports"]} == {"OPENAI_API_KEY", "AZURE_API_KEY", "BASE"}
    result = run(source, "--json")
    assert result.stdout == output.read_text(encoding="utf-8")
    assert json.loads(result.stderr)["output"] is None


def test_a_file_that_is_there_is_replaced_only_by_force(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "sluice.yaml"
    output.write_text("mine", encoding="utf-8")
    result = run(source, "--output", output)
    assert result.exit_code == 2
    assert (
        result.stderr == f"{output}: there is such a file already; name another, or replace it with --force\n"
    )
    assert output.read_text(encoding="utf-8") == "mine"
    assert run(source, "--output", output, "--force").exit_code == 0
    assert output.read_text(encoding="utf-8").startswith("# Made from")


def test_the_source_is_never_overwritten(source: Path) -> None:
    result = run(source, "--output", source, "--force")
    assert result.exit_code == 2
    assert source.read_text(encoding="utf-8") == SOURCE


@pytest.mark.parametrize("where", ["nowhere/sluice.yaml", "."])
def test_a_place_that_cannot_be_written_is_refused(source: Path, tmp_path: Path, where: str) -> None:
    assert run(source, "--output", tmp_path / where).exit_code == 2


def test_nothing_is_written_where_the_import_fails(tmp_path: Path) -> None:
    output = tmp_path / "sluice.yaml"
    result = run(tmp_path / "none.yaml", "--output", output)
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path / 'none.yaml'}: there is no such file; check the path\n"
    assert list(tmp_path.iterdir()) == []


def test_a_failure_as_json(tmp_path: Path) -> None:
    said = json.loads(run(tmp_path / "none.yaml", "--json", "--output", tmp_path / "o").stdout)
    assert said["ok"] is False
    assert "there is no such file" in said["error"]


def test_whose_it_is_can_be_said(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"name": "x", "api_key": "k"}', encoding="utf-8")
    assert run(file).exit_code == 2
    assert run(file, "--from", "portkey").exit_code == 0
