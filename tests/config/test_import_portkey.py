"""Portkey's config, written as its documentation shows it, becomes a sluice.yaml that loads."""

from __future__ import annotations

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.config.importing import Imported, Kind, import_data
from streams.config.importing.portkey_conditions import when_of
from streams.config.settings import When
from streams.decide.rules import matches
from tests.config.imports import imported, told
from topics.events import Features


def portkey(config: dict[str, Any]) -> Imported:
    return imported(json.dumps(config), Kind.PORTKEY)


def leaf(model: str, **keys: Any) -> dict[str, Any]:
    return {"provider": "openai", "api_key": "sk-one", "override_params": {"model": model}, **keys}


CONDITIONAL = {
    "strategy": {
        "mode": "conditional",
        "conditions": [
            {"query": {"metadata.plan": {"$eq": "paid"}}, "then": "dear"},
            {"query": {"params.model": {"$in": ["fast", "cheap"]}}, "then": "plain"},
            {"query": {"params.temperature": {"$gt": 0.7}}, "then": "dear"},
            {"query": {"metadata.plan": "paid"}, "then": "plain"},
            {"query": {"metadata.plan": "trial"}, "then": "nobody"},
        ],
        "default": "plain",
    },
    "targets": [leaf("gpt-4o", name="dear"), leaf("gpt-4o-mini", name="plain")],
}


# --- Strategies ----------------------------------------------------------------------------------------


def test_a_single_provider_is_all_there_is_to_choose() -> None:
    found = portkey(leaf("gpt-4o", retry={"attempts": 3, "on_status_codes": [429]}, cache={"mode": "simple"}))
    assert [m.name for m in found.settings.models] == ["gpt-4o"]
    assert found.settings.policy.default.models == found.settings.policy.fallback.models == ("gpt-4o",)
    assert found.settings.retry.max_attempts == 4
    assert told(found, "cache.mode") == ("no_counterpart", "Sluice does not keep answers")
    assert told(found, "retry.attempts")[0] == "changed"


def test_balanced_targets_are_chosen_among() -> None:
    targets = [leaf("gpt-4o", weight=0.7), leaf("gpt-4o-mini", weight=0.3)]
    found = portkey({"strategy": {"mode": "loadbalance"}, "targets": targets})
    assert found.settings.policy.default.models == ("gpt-4o", "gpt-4o-mini")
    assert told(found, "targets[0].weight")[0] == "no_counterpart"
    assert told(found, "strategy.mode")[0] == "changed"


def test_the_first_of_a_fallback_is_chosen_and_the_others_stand_in() -> None:
    strategy = {"mode": "fallback", "on_status_codes": [429, 503]}
    found = portkey({"strategy": strategy, "targets": [leaf("gpt-4o"), leaf("gpt-4.1"), leaf("gpt-4o-mini")]})
    assert found.settings.policy.default.models == ("gpt-4o",)
    assert found.settings.policy.fallback.models == ("gpt-4.1", "gpt-4o-mini")
    assert told(found, "strategy.on_status_codes") == (
        "no_counterpart",
        "any failed call moves on to the next model",
    )


def test_strategies_nest() -> None:
    balanced = {"strategy": {"mode": "loadbalance"}, "targets": [leaf("gpt-4o"), leaf("gpt-4.1")]}
    found = portkey({"strategy": {"mode": "fallback"}, "targets": [balanced, leaf("gpt-4o-mini")]})
    assert found.settings.policy.default.models == ("gpt-4o", "gpt-4.1")
    assert found.settings.policy.fallback.models == ("gpt-4o-mini",)


def test_where_the_first_is_left_out_the_next_is_chosen() -> None:
    bedrock = {"provider": "bedrock", "override_params": {"model": "anthropic.claude-v2"}, "aws_region": "x"}
    found = portkey({"strategy": {"mode": "fallback"}, "targets": [bedrock, leaf("gpt-4o")]})
    assert found.settings.policy.default.models == ("gpt-4o",)
    assert told(found, "targets[0].provider")[1].startswith("left out: Amazon Bedrock")


def test_conditions_become_rules_that_ask_for_tags() -> None:
    found = portkey(CONDITIONAL)
    rules = [(rule.name, rule.when.tags, rule.use.models) for rule in found.settings.policy.rules]
    assert rules == [
        ("dear", ("plan:paid",), ("gpt-4o",)),
        ("plain", ("fast", "cheap"), ("gpt-4o-mini",)),
    ]
    assert found.settings.policy.default.models == ("gpt-4o-mini",)
    assert told(found, 'strategy.conditions[0].query["metadata.plan"]["$eq"]') == (
        "changed",
        "rule `dear` asks for tags: plan:paid",
    )


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (2, "rules ask for type, tenant, tags, language and length"),
        (3, "a condition above takes every task"),
        (4, "no model of its target is imported"),
    ],
)
def test_conditions_that_no_rule_can_say_are_named(condition: int, why: str) -> None:
    outcome, what = told(portkey(CONDITIONAL), f"strategy.conditions[{condition}].then")
    assert outcome == "no_counterpart"
    assert why in what


def test_conditions_below_another_strategy_are_no_rules() -> None:
    found = portkey({"strategy": {"mode": "fallback"}, "targets": [leaf("gpt-4.1"), CONDITIONAL]})
    assert found.settings.policy.rules == ()
    assert found.settings.policy.fallback.models == ("gpt-4o", "gpt-4o-mini")
    assert told(found, "targets[1].strategy.conditions[0].then")[0] == "no_counterpart"


# --- Targets -------------------------------------------------------------------------------------------


def test_a_slug_tells_whose_model_it_is_and_names_its_key() -> None:
    targets = [{"override_params": {"model": f"@{slug}/gpt-4o"}} for slug in ("openai", "openai-2")]
    found = portkey({"strategy": {"mode": "loadbalance"}, "targets": targets})
    assert [(m.name, str(found.settings.providers[m.provider].api_key)) for m in found.settings.models] == [
        ("gpt-4o", "${OPENAI_API_KEY}"),
        ("gpt-4o-2", "${OPENAI_2_API_KEY}"),
    ]
    assert told(found, "targets[1].override_params.model")[0] == "changed"


def test_a_virtual_key_is_told_by_the_models_name_where_its_own_says_nothing() -> None:
    found = portkey({"virtual_key": "team-blue", "override_params": {"model": "claude-3-opus-20240229"}})
    assert found.settings.providers["anthropic"].base_url == "https://api.anthropic.com/v1"
    assert str(found.settings.providers["anthropic"].api_key) == "${TEAM_BLUE_API_KEY}"
    assert told(found, "virtual_key") == (
        "changed",
        "provider `anthropic`, taken to be that by its name; check it",
    )


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ({"provider": "@openai-prod"}, "the model comes with each request"),
        ({"virtual_key": "team-blue", "override_params": {"model": "x"}}, "only Portkey knows"),
        (
            {"provider": "azure-openai", "api_key": "k", "override_params": {"model": "x"}},
            "the address of azure",
        ),
        ({"provider": "vertex-ai", "override_params": {"model": "gemini-pro"}}, "Vertex AI"),
        ({"provider": "stability-ai", "override_params": {"model": "x"}}, "the provider is not known here"),
    ],
)
def test_targets_that_cannot_be_taken_over_are_left_out(target: dict[str, Any], why: str) -> None:
    found = portkey({"strategy": {"mode": "single"}, "targets": [target]})
    assert found.settings.models == ()
    assert any(why in entry.what for entry in found.report.entries)
    assert found.report.notes[0].startswith("No model could be taken over")


def test_a_deployment_at_azure() -> None:
    found = portkey(
        {
            "provider": "azure-openai",
            "resource_name": "west",
            "deployment_id": "our-gpt",
            "api_version": "2024-10-21",
            "api_key": "secret-of-azure",
            "override_params": {"model": "gpt-4o"},
        }
    )
    (model,) = found.settings.models
    assert found.settings.providers["azure"].base_url == "https://west.openai.azure.com/openai/v1"
    assert model.name == "our-gpt"
    assert model.prices is not None
    assert model.prices.input_usd_per_mtok == 2.5
    assert "secret-of-azure" not in found.text + repr(found.report)
    assert told(found, "api_version")[0] == "no_counterpart"


def test_a_host_of_ones_own_costs_nothing() -> None:
    found = portkey(
        {"provider": "ollama", "custom_host": "http://gpu:11434", "override_params": {"model": "llama3"}}
    )
    assert found.settings.providers["ollama"].base_url == "http://gpu:11434/v1"
    assert found.settings.models[0].prices is not None


def test_timeouts_are_in_milliseconds_and_come_from_around() -> None:
    targets = [leaf("gpt-4o"), leaf("gpt-4.1", request_timeout=1_500)]
    found = portkey({"strategy": {"mode": "loadbalance"}, "request_timeout": 10_000, "targets": targets})
    assert [found.settings.providers[m.provider].timeout_s for m in found.settings.models] == [10, 1.5]


def test_camel_case_is_read_as_well() -> None:
    found = portkey({"virtualKey": "openai-x", "overrideParams": {"model": "gpt-4o"}, "requestTimeout": 2000})
    assert found.settings.providers["openai"].timeout_s == 2


def test_the_same_model_at_the_same_place_is_one_model() -> None:
    found = portkey({"strategy": {"mode": "fallback"}, "targets": [leaf("gpt-4o"), leaf("gpt-4o")]})
    assert len(found.settings.models) == 1


def test_a_key_where_a_name_belongs_is_not_shown() -> None:
    key = "sk-proj-0123456789"
    found = portkey({"virtual_key": key, "override_params": {"model": "gpt-4o"}})
    assert key not in found.text + repr(found.report)
    assert "0123456789" not in found.text + repr(found.report)


# --- Conditions mean what they meant -------------------------------------------------------------------

_PLANS = st.sampled_from("abc")
_LEAVES = st.one_of(
    st.builds(lambda k, v: {f"metadata.{k}": {"$eq": v}}, st.sampled_from("xy"), _PLANS),
    st.builds(lambda k, v: {f"metadata.{k}": {"$ne": v}}, st.sampled_from("xy"), _PLANS),
    st.builds(lambda k, v: {f"metadata.{k}": v}, st.sampled_from("xy"), _PLANS),
    st.builds(
        lambda k, v: {f"metadata.{k}": {"$in": v}}, st.sampled_from("xy"), st.lists(_PLANS, min_size=1)
    ),
    st.builds(
        lambda k, v: {f"metadata.{k}": {"$nin": v}}, st.sampled_from("xy"), st.lists(_PLANS, min_size=1)
    ),
    st.builds(lambda a, b: {"metadata.x": {"$ne": a}, "metadata.y": {"$ne": b}}, _PLANS, _PLANS),
)
_QUERIES = st.recursive(
    _LEAVES,
    lambda inner: st.builds(
        lambda operator, parts: {operator: parts},
        st.sampled_from(["$and", "$or"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)
_METADATA = st.dictionaries(st.sampled_from("xy"), st.sampled_from("abcd"))


def holds(query: dict[str, Any], metadata: dict[str, str]) -> bool:
    """What Portkey's gateway makes of a condition."""
    for key, value in query.items():
        if key == "$or":
            return any(holds(part, metadata) for part in value)
        if key == "$and":
            return all(holds(part, metadata) for part in value)
        has = metadata.get(key.partition(".")[2])
        for operator, wanted in (value if isinstance(value, dict) else {"$eq": value}).items():
            among = wanted if isinstance(wanted, list) else [wanted]
            if (has in among) is operator.startswith("$n"):
                return False
    return True


@hypothesis.settings(deadline=None)
@given(_QUERIES, st.lists(_METADATA, min_size=5, max_size=10))
def test_a_rule_matches_the_tasks_that_the_condition_did(
    query: dict[str, Any], requests: list[dict[str, str]]
) -> None:
    when = When.model_validate(when_of(query))
    for metadata in requests:
        task = Features(
            type="t",
            tenant="t",
            tags=tuple(f"{key}:{value}" for key, value in metadata.items()),
            words=1,
            input_tokens=1,
            max_tokens=1,
            language=None,
            capabilities=(),
            inferred=(),
        )
        assert matches(when, task) is holds(query, metadata)


def test_an_empty_config_of_portkey_is_an_import_of_nothing() -> None:
    found = import_data({"strategy": {"mode": "loadbalance"}, "targets": []}, Kind.PORTKEY)
    assert found.settings.models == ()
