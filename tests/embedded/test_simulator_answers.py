"""What simulated models say."""

from __future__ import annotations

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.embedded.simulator import SimulatedModel
from streams.embedded.simulator.answers import (
    Draw,
    answer_json,
    answer_text,
    estimate_tokens,
    recorded_text,
)
from streams.embedded.simulator.instances import instance

MODEL = SimulatedModel(name="m", quality=1.0)
WORDS = {"a": "activation", "b": "android", "c": "october"}
SCHEMAS = (
    {"type": "object", "properties": {"label": {"enum": ["good", "bad"]}}, "required": ["label"]},
    {
        "type": "object",
        "properties": {
            "score": {"type": "integer", "minimum": 1, "maximum": 5},
            "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "temperature": {"type": "number", "maximum": -5},
            "dozens": {"type": "integer", "multipleOf": 12, "minimum": 13},
            "tags": {"type": "array", "items": {"type": "string", "minLength": 30}, "minItems": 2},
            "when": {"type": "string", "format": "date"},
            "note": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]},
            "kind": {"const": "x"},
            "maybe": {"type": ["boolean", "null"]},
        },
        "required": ["score", "share", "tags", "note"],
        "additionalProperties": False,
    },
    {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
                "required": ["name", "children", "next"],
            }
        },
        "$ref": "#/$defs/node",
    },
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "boolean"}}, "required": ["b"]},
        ]
    },
)


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("choice", [0, 1, 7, 2**63])
def test_an_instance_matches_its_schema(schema: dict[str, object], choice: int) -> None:
    jsonschema.validate(instance(schema, choice=choice, words=WORDS), schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": 5},
        {"type": "integer", "minimum": "much"},
        {"type": "integer", "multipleOf": 0},
        {"enum": 3},
        {
            "type": "array",
            "minItems": 100,
            "items": {"type": "array", "minItems": 100, "items": {"type": "null"}},
        },
    ],
)
def test_what_is_no_schema_or_asks_for_very_much_is_refused(schema: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a usable JSON Schema"):
        instance(schema, choice=1, words=WORDS)


@given(st.text())
def test_any_prompt_has_an_answer_that_repeats(prompt: str) -> None:
    for quality in (0.0, 1.0):
        model = SimulatedModel(name="m", quality=quality)
        draw = Draw.of(model, prompt, 0)
        text = answer_text(model, prompt, draw)

        assert text.strip()
        assert text == answer_text(model, prompt, Draw.of(model, prompt, 0))
        assert isinstance(orjson.loads(answer_json(prompt, draw, None)), dict)


def test_seed_model_and_prompt_all_change_the_answer() -> None:
    other = SimulatedModel(name="n", quality=1.0)
    answers = {
        answer_text(model, prompt, Draw.of(model, prompt, seed))
        for model in (MODEL, other)
        for prompt in ("Explain activation.", "Explain retention.")
        for seed in (0, 1)
    }

    assert len(answers) == 8


def test_a_better_model_answers_a_larger_share_well_and_hard_prompts_are_hard_for_all() -> None:
    weak, strong = SimulatedModel(name="weak", quality=0.6), SimulatedModel(name="strong", quality=0.9)
    prompts = [f"Question {number}" for number in range(4_000)]
    good = {m.name: [Draw.of(m, prompt, 0).good for prompt in prompts] for m in (weak, strong)}
    both_wrong = sum(not w and not s for w, s in zip(good["weak"], good["strong"], strict=True)) / 4_000

    assert sum(good["weak"]) / 4_000 == pytest.approx(0.6, abs=0.03)
    assert sum(good["strong"]) / 4_000 == pytest.approx(0.9, abs=0.02)
    assert both_wrong > 1.5 * 0.4 * 0.1


def test_good_answers_of_two_models_conclude_the_same() -> None:
    prompt = "Which one?\nA) first\nB) second\nC) third\nEnd with a line `ANSWER: X`."
    models = [SimulatedModel(name=name, quality=1.0) for name in ("one", "two", "three")]

    last = {answer_text(m, prompt, Draw.of(m, prompt, 0)).splitlines()[-1] for m in models}

    assert len(last) == 1
    assert last.pop() in {"ANSWER: A", "ANSWER: B", "ANSWER: C"}


@pytest.mark.parametrize("tokens", [1, 40, 400])
def test_a_recorded_answer_stands_on_the_last_line_of_about_as_many_tokens(tokens: int) -> None:
    text = recorded_text("42", tokens, choice=3)

    assert text.splitlines()[-1] == "ANSWER: 42"
    assert estimate_tokens(text) <= max(tokens, 3) + 1
    assert estimate_tokens(text) >= tokens - 30
