from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.decide import BreakerState, ModelHealth, World, decide
from tests.decide.building import MODELS, NOW, compiled, model, submission
from topics.codec import decode, encode
from topics.events import PlanKind, TaskRouted

CALM = World()


def one(
    task: dict[str, Any] | None = None, *, world: World = CALM, now: float = NOW, **policy: Any
) -> TaskRouted:
    [decision] = decide([submission(**(task or {}))], policy=compiled(**policy), world=world, now=now)
    return decision


def steps(decision: TaskRouted) -> list[str]:
    return [step.model for step in decision.plan.steps]


def test_without_a_rule_the_cheapest_of_the_default_comes_first_and_the_rest_stands_in() -> None:
    assert steps(one()) == ["small", "middle", "large"]


def test_the_first_rule_that_matches_wins() -> None:
    rules = [
        {"name": "sql", "when": {"type": "sql"}, "use": {"models": ["middle"]}},
        {"name": "growth", "when": {"tenant": "growth"}, "use": {"tiers": "premium"}},
    ]
    both = {"type": "sql", "tenant": "growth"}
    assert steps(one(both, rules=rules))[0] == "middle"
    assert steps(one({"tenant": "growth"}, rules=rules))[0] == "large"
    assert steps(one({"tenant": "finance"}, rules=rules))[0] == "small"
    assert "rule sql" in one(both, rules=rules).reason


CONDITIONS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "type": ({"type": "sql"}, {"type": "sql"}, {"type": "forecast"}),
    "tenant": ({"tenant": ["a", "b"]}, {"tenant": "b"}, {}),
    "tags": ({"tags": ["urgent"]}, {"tags": ["x", "urgent"]}, {"tags": ["x"]}),
    "words": ({"words": {"min": 3, "max": 5}}, {"prompt": "one two three"}, {"prompt": "one two"}),
    "tokens": ({"tokens": {"max": 10}}, {"prompt": "short"}, {"prompt": "long " * 50}),
    "language": (
        {"language": ["de"]},
        {"prompt": "Bitte fassen Sie den Bericht über das dritte Quartal zusammen."},
        {"prompt": "Please summarise the report on the third quarter."},
    ),
    "any": ({"any": [{"type": "sql"}, {"tags": "db"}]}, {"tags": ["db"]}, {"tags": ["web"]}),
    "none": ({"none": [{"type": "sql"}]}, {"type": "text"}, {"type": "sql"}),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_matches_what_it_says(name: str) -> None:
    when, hit, miss = CONDITIONS[name]
    rules = [{"name": "it", "when": when, "use": {"models": "large"}}]
    assert steps(one(hit, rules=rules))[0] == "large"
    assert steps(one(miss, rules=rules))[0] == "small"


EXCLUSIONS: dict[str, tuple[dict[str, Any], set[str], str]] = {
    "capability": ({"tools": [{"type": "function"}], "requirements": {"capabilities": ["vision"]}},
                   {"small", "middle"}, "lacks vision"),
    "window": ({"prompt": "word " * 130_000}, {"small", "middle", "large"}, "window"),
    "region": ({"requirements": {"region": "eu"}}, {"small", "middle"}, "no declared region"),
    "ceiling": ({"requirements": {"max_cost_usd": 0.003}}, {"large"}, "may cost"),
    "floor": ({"requirements": {"min_quality": 0.8}}, {"small"}, "below the floor"),
    "deadline": ({"deadline": "2025-06-15T15:06:41Z"}, {"small", "middle", "large"}, "deadline"),
    "asked": ({"model": "middle"}, {"small", "large"}, "asks for middle"),
}  # fmt: skip


@pytest.mark.parametrize("name", EXCLUSIONS)
def test_a_model_that_cannot_serve_a_task_is_out_with_its_reason(name: str) -> None:
    task, out, reason = EXCLUSIONS[name]
    excluded = one(task).candidates.excluded
    assert set(excluded) == out
    assert all(any(reason in said for said in reasons) for reasons in excluded.values())
    assert not set(steps(one(task))) & out


def test_when_the_named_models_are_out_the_fallback_stands_in() -> None:
    rules = [{"name": "cheap", "when": {}, "use": {"models": "small"}}]
    decision = one({"requirements": {"min_quality": 0.8}}, rules=rules)
    assert steps(decision) == ["middle", "large"]
    assert "stands in" in decision.reason


def test_a_task_may_ask_for_a_model_outside_the_policy() -> None:
    decision = one({"model": "large"}, default={"models": "small"}, fallback={"models": "small"})
    assert decision.plan.kind is PlanKind.NONE or steps(decision) == ["large"]
    assert steps(decision) == ["large"]


@pytest.mark.parametrize(
    ("task", "code"),
    [
        ({"model": "gpt-99"}, "unknown_model"),
        ({"deadline": "2020-01-01T00:00:00Z"}, "deadline_passed"),
        ({"requirements": {"capabilities": ["smell"]}}, "no_eligible_model"),
    ],
)
def test_without_a_candidate_there_is_a_reason_instead_of_a_plan(task: dict[str, Any], code: str) -> None:
    decision = one(task)
    assert decision.plan.kind is PlanKind.NONE
    assert decision.failure_code == code
    assert decision.reason
    assert decision.reserved_usd == 0.0


def health(state: BreakerState) -> World:
    return World(age_s=0.2, health={"small": ModelHealth(state, calls=20, failures=15)})


def test_a_model_whose_breaker_is_open_is_out() -> None:
    decision = one(world=health(BreakerState.OPEN))
    assert steps(decision) == ["middle", "large"]
    assert decision.candidates.excluded["small"] == ("its breaker is open",)
    assert decision.inputs.models[0].failures == 15
    assert decision.inputs.age_s == 0.2


def test_when_every_breaker_is_open_the_policy_says_whether_to_try() -> None:
    world = World(health={m.name: ModelHealth(BreakerState.OPEN, 9, 9) for m in MODELS})
    assert steps(one(world=world))[0] == "small"
    assert one(world=world, when_all_open="fail").failure_code == "no_eligible_model"


def test_a_half_open_breaker_lets_a_few_tasks_through() -> None:
    batch = [submission(n) for n in range(2_000)]
    decisions = decide(batch, policy=compiled(), world=health(BreakerState.HALF_OPEN), now=NOW)
    probes = sum(steps(decision)[0] == "small" for decision in decisions)
    assert 330 <= probes <= 470


def test_the_reservation_is_the_worst_case_of_the_dearest_step() -> None:
    decision = one({"max_tokens": 500})
    assert decision.reserved_usd == max(step.reserved_usd for step in decision.plan.steps)
    large = decision.plan.steps[-1]
    assert large.max_tokens == 500
    assert large.reserved_usd >= 500 * 10 / 1e6


def test_the_answer_limit_never_exceeds_the_models_own() -> None:
    policy = compiled(model("tiny", 1, max_output_tokens=100))
    [decision] = decide([submission(max_tokens=10_000)], policy=policy, world=CALM, now=NOW)
    assert decision.plan.steps[0].max_tokens == 100


def test_a_decision_survives_the_wire() -> None:
    decision = one({"type": "sql"}, world=health(BreakerState.OPEN))
    assert decode(encode(decision), TaskRouted) == decision


def test_the_fingerprint_changes_with_policy_and_prices_and_with_nothing_else() -> None:
    same = compiled(max_steps=2).fingerprint
    assert compiled(max_steps=2).fingerprint == same
    assert compiled(max_steps=3).fingerprint != same
    assert (
        compiled(model("small", 1), max_steps=2).fingerprint
        != compiled(model("small", 2), max_steps=2).fingerprint
    )


TASKS = st.fixed_dictionaries(
    {"prompt": st.text(min_size=1, max_size=200).filter(str.strip)},
    optional={
        "type": st.sampled_from(["sql", "text"]),
        "tenant": st.sampled_from(["growth", "finance"]),
        "max_tokens": st.integers(1, 5_000),
        "model": st.sampled_from(["small", "auto", "gpt-99"]),
        "requirements": st.fixed_dictionaries(
            {}, optional={"max_cost_usd": st.floats(0, 0.1), "min_quality": st.floats(0, 1)}
        ),
        "deadline": st.datetimes(datetime(2025, 6, 1), datetime(2025, 7, 1)).map(  # noqa: DTZ001 - zone follows
            lambda at: at.replace(tzinfo=UTC).isoformat()
        ),
    },
)


@given(st.lists(TASKS, min_size=1, max_size=12), st.sampled_from(list(BreakerState)), st.data())
def test_a_decision_depends_on_its_own_task_alone(
    tasks: list[dict[str, Any]], state: BreakerState, data: st.DataObject
) -> None:
    policy = compiled(rules=[{"name": "sql", "when": {"type": "sql"}, "use": {"tiers": "premium"}}])
    batch = [submission(number, **task) for number, task in enumerate(tasks)]
    world = health(state)
    together = decide(batch, policy=policy, world=world, now=NOW)
    order = data.draw(st.permutations(range(len(batch))))
    for position in order:
        [alone] = decide([batch[position]], policy=policy, world=world, now=NOW)
        assert encode(alone) == encode(together[position])
    for decision in together:
        assert (decision.failure_code is None) == bool(decision.plan.steps)
        assert len(decision.candidates.score) == len(MODELS)
