"""The JSON Schema, the packaged example and the documentation agree with the settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from streams.config.example import example_path
from streams.config.load import load, parse
from streams.config.reference import DOCUMENT, inserted, reference
from streams.config.schema import json_schema
from streams.config.settings import Settings, Tier
from streams.config.shapes import sections

ENVIRON = {"OPENAI_API_KEY": "x", "ANTHROPIC_API_KEY": "x", "KAFKA_PASSWORD": "x"}
ROOT = Path(__file__).parents[2]


def test_the_example_has_nothing_wrong_with_it() -> None:
    loaded = load(example_path(), environ=ENVIRON, require_models=True)
    assert loaded.warnings == ()
    assert len(loaded.settings.models) == 8
    assert {model.tier for model in loaded.settings.models} == set(Tier)


def test_the_example_survives_being_written_and_read_again() -> None:
    settings = load(example_path(), environ=ENVIRON).settings
    written = yaml.safe_dump(settings.model_dump(mode="json"))
    assert parse(written, "again.yaml", environ=ENVIRON) == (settings, ())


def test_the_schema_is_one_and_accepts_the_example() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(yaml.safe_load(example_path().read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        "kafka: {partitions: '${PARTITIONS}', prefix: '${PREFIX}', security: {protocol: '${PROTOCOL}'}}",
        "policy: {default: {tiers: efficient}, rules: [{name: a, when: {type: x}, use: {models: [y]}}]}",
        "x-mine: {anything: 1}",
    ],
)
def test_the_schema_accepts_what_may_be_written(text: str) -> None:
    Draft202012Validator(json_schema()).validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "kafka: {prefx: a}",
        "kafka: {partitions: 0}",
        "kafka: {partitions: many}",
        "providers: {openai: {base_url: 'http://x', api_key: sk-literal}}",
        "policy: {default: {tiers: gold}}",
        "policy: {default: {tiers: []}}",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text: str) -> None:
    assert not Draft202012Validator(json_schema()).is_valid(yaml.safe_load(text))


def test_every_key_is_described() -> None:
    schema = json_schema()
    described = [schema, *schema["$defs"].values()]
    keys = [(name, value) for part in described for name, value in part.get("properties", {}).items()]
    assert [name for name, value in keys if not value.get("description")] == []
    assert all(f"`{name}`" in reference() for name, _ in keys)
    assert Settings in sections().values()


def test_the_documented_reference_is_up_to_date() -> None:
    document = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    assert document == inserted(document), "run `python -m streams.config.reference`"


def test_the_documented_configuration_is_valid() -> None:
    document = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)
    settings, warnings = parse(text, "docs", environ=ENVIRON, require_models=True)
    assert len(settings.models) == 3
    assert warnings == ()
