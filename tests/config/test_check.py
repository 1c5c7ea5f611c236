"""Well-formed configurations that make no sense are named, with lines; those that do are let be."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.config.check import check
from streams.config.reach import implies
from streams.config.settings import Settings, Span, When
from streams.decide.rules import matches
from tests.config.complaints import PRICED, complaints
from topics.events import Features

MODELS = f"""\
providers:
  openai: {{base_url: "https://api.openai.com/v1"}}
  local: {{base_url: "http://localhost:8000/v1"}}
models:
  - {{name: small, provider: local, tier: efficient, {PRICED}}}
  - {{name: large, provider: openai, tier: premium, {PRICED}}}
"""


def of_rules(*rules: str) -> list[str]:
    """Complaints about rules, which begin on line 9."""
    listed = "".join(f"    - {{name: r{number}, {rule}}}\n" for number, rule in enumerate(rules))
    return complaints(f"{MODELS}policy:\n  rules:\n{listed}")


def test_a_sensible_configuration_has_no_problems() -> None:
    assert complaints(MODELS, require_models=True) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "  - {name: m, provider: opnai, prices: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}\n",
            (
                'sluice.yaml:7: models[2].provider: no provider is called "opnai"; '
                'did you mean "openai"? known: openai, local'
            ),
        ),
        (
            "  - {name: small, provider: local, prices: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}\n",
            'sluice.yaml:7: models[2].name: two models are called "small", the first on line 5; rename one',
        ),
        (
            "  - name: own-model\n    provider: local\n",
            (
                'sluice.yaml:7: models[2].name: the price catalogue does not know "own-model"; '
                "correct `model`, or "
                "give `prices: {input_usd_per_mtok: …, output_usd_per_mtok: …}` (both 0 for a model "
                "of your own)"
            ),
        ),
        (
            (
                "  - name: mini\n    provider: openai\n    model: gpt-4o-mini\n    context_window: 1000\n"
                "    max_output_tokens: 2000\n"
            ),
            (
                "sluice.yaml:11: models[2].max_output_tokens: max_output_tokens 2000 is above context_window "
                "1000; the window holds input and output together"
            ),
        ),
        (
            "policy:\n  default: {models: [small, largo]}\n",
            (
                'sluice.yaml:8: policy.default.models[1]: no model is called "largo"; did you mean "large"? '
                "known: small, large"
            ),
        ),
        (
            "policy:\n  fallback:\n    tiers: standard\n",
            (
                "sluice.yaml:9: policy.fallback.tiers: no model is of tier standard; give a model this tier, "
                "or name others; tiers with models: efficient, premium"
            ),
        ),
        (
            "policy:\n  fallback:\n    tiers: [standard, premium]\n",
            (
                "sluice.yaml:9: warning: policy.fallback.tiers[0]: no model is of tier standard; give "
                "a model "
                "this tier, or name others; tiers with models: efficient, premium"
            ),
        ),
        (
            "kafka:\n  security:\n    protocol: SSL\n    username: me\n",
            (
                "sluice.yaml:10: kafka.security.username: protocol SSL does not use username; "
                "use the protocol SASL_SSL or SASL_PLAINTEXT, or remove it"
            ),
        ),
        (
            "kafka:\n  security:\n    ca_file: ca.pem\n",
            (
                "sluice.yaml:9: kafka.security.ca_file: protocol PLAINTEXT does not use ca_file; "
                "use the protocol SSL or SASL_SSL, or remove it"
            ),
        ),
    ],
)
def test_what_makes_no_sense_is_named(text: str, expected: str) -> None:
    assert complaints(MODELS + text) == [expected]


def test_a_default_that_means_no_model_is_named() -> None:
    (found,) = complaints(
        f"""\
        providers: {{openai: {{base_url: "https://api.openai.com/v1"}}}}
        models:
          - {{name: large, provider: openai, tier: premium, {PRICED}}}
        """
    )
    assert "policy.default: no model is of a tier that this means by default (efficient, standard)" in found


def test_models_are_needed_only_by_who_needs_them() -> None:
    assert complaints("kafka: {prefix: a}") == []
    (found,) = complaints("kafka: {prefix: a}", require_models=True)
    assert found.startswith("sluice.yaml:1: models: there are no models; add at least one under `models`")


def test_settings_without_a_file_can_be_checked() -> None:
    settings = Settings.model_validate({"models": [{"name": "gpt-4o-mini", "provider": "openai"}]})
    (found,) = check(settings, environ={})
    assert str(found) == (
        'sluice.yaml: models[0].provider: no provider is called "openai"; add it under `providers`'
    )


def test_two_rules_of_one_name_are_named() -> None:
    found = complaints(
        f"{MODELS}policy:\n  rules:\n"
        "    - {name: a, when: {type: x}, use: {models: small}}\n"
        "    - {name: a, when: {type: y}, use: {models: small}}\n"
    )
    assert found == [
        'sluice.yaml:10: policy.rules[1].name: two rules are called "a", the first on line 9; rename one'
    ]


def test_a_rule_that_matches_everything_belongs_at_the_end() -> None:
    everything, other = "when: {}, use: {models: small}", "when: {type: x}, use: {models: small}"
    assert of_rules(other, everything) == []
    assert of_rules(everything, other) == [
        (
            'sluice.yaml:9: policy.rules[0].when: rule "r0" matches every task, so no rule below it is ever '
            "tried; move it to the end, or give it conditions"
        )
    ]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{type: [sql, code]}", "{type: sql}"),
        ("{type: sql}", "{type: sql, words: {min: 5}}"),
        ("{words: {min: 5}}", "{words: {min: 6, max: 9}}"),
        ("{tags: [a, b]}", "{tags: b, tenant: x}"),
        ("{any: [{type: sql}, {tags: dbt}]}", "{tags: dbt, language: de}"),
        ("{any: [{type: sql}, {tags: dbt}]}", "{any: [{type: sql, words: {max: 3}}, {tags: dbt}]}"),
        ("{type: [sql, code]}", "{any: [{type: sql}, {type: code}]}"),
        ("{none: [{tags: urgent, type: sql}]}", "{none: [{tags: [urgent, board]}]}"),
    ],
)
def test_a_rule_behind_one_that_takes_all_of_it_is_named(earlier: str, later: str) -> None:
    (found,) = of_rules(f"when: {earlier}, use: {{models: small}}", f"when: {later}, use: {{models: large}}")
    assert found == (
        'sluice.yaml:10: policy.rules[1].when: rule "r1" can never match: rule "r0" on line 9 takes every '
        "task that it would; move it above that rule, or change its conditions"
    )


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{type: sql}", "{type: [sql, code]}"),
        ("{type: sql, tenant: a}", "{type: sql}"),
        ("{words: {min: 5}}", "{words: {max: 9}}"),
        ("{words: {max: 9}}", "{tokens: {max: 9}}"),
        ("{tags: a}", "{tags: [a, b]}"),
        ("{any: [{type: sql}]}", "{any: [{type: sql}, {type: code}]}"),
        ("{none: [{tags: urgent}]}", "{type: sql}"),
        ("{type: sql, none: [{tags: urgent}]}", "{type: sql}"),
    ],
)
def test_a_rule_that_can_still_match_is_let_be(earlier: str, later: str) -> None:
    assert (
        of_rules(f"when: {earlier}, use: {{models: small}}", f"when: {later}, use: {{models: large}}") == []
    )


_WORDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=2).map(tuple) | st.none()
_SPANS = (
    st.builds(lambda a, b: Span(min=min(a, b), max=max(a, b)), st.integers(0, 3), st.integers(0, 3))
    | st.none()
)
_PLAIN = st.builds(When, type=_WORDS, tags=_WORDS, words=_SPANS)
_NESTED = st.lists(_PLAIN, min_size=1, max_size=2).map(tuple) | st.none()
_WHENS = st.builds(When, type=_WORDS, tags=_WORDS, words=_SPANS, any=_NESTED, none=_NESTED)
_TASKS = st.tuples(st.sampled_from("abcd"), st.lists(st.sampled_from("abcd"), max_size=2), st.integers(0, 4))


@hypothesis.settings(deadline=None)
@given(_WHENS, _WHENS, st.lists(_TASKS, min_size=20, max_size=20))
def test_what_is_called_unreachable_is(
    narrow: When, wide: When, tasks: list[tuple[str, list[str], int]]
) -> None:
    if not implies(narrow, wide):
        return
    for kind, tags, words in tasks:
        task = Features(
            type=kind,
            tenant="t",
            tags=tuple(tags),
            words=words,
            input_tokens=1,
            max_tokens=1,
            language=None,
            capabilities=(),
            inferred=(),
        )
        assert matches(wide, task) or not matches(narrow, task)
