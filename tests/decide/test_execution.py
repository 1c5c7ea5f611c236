from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.decide.execution import CallStep, Finish, StepOutcome, next_move
from topics.events import CallStatus, Plan, PlanKind, Step

PLAN = Plan(PlanKind.SINGLE, (Step("small", 100, 0.01), Step("middle", 100, 0.05), Step("large", 100, 0.20)))
FREE: dict[str, Any] = {"seconds_left": float("inf"), "money_left_usd": float("inf")}


def failed(step: int, *, usable: bool = False) -> StepOutcome:
    status = CallStatus.OK if usable else CallStatus.SERVER
    return StepOutcome(step, status, passed=False, usable=usable)


def answered(step: int) -> StepOutcome:
    return StepOutcome(step, CallStatus.OK, passed=True, usable=True)


def test_the_first_step_comes_first_and_its_answer_ends_the_plan() -> None:
    assert next_move(PLAN, [], **FREE) == CallStep(0)
    assert next_move(PLAN, [answered(0)], **FREE) == Finish(0, None)


def test_a_failed_step_moves_on_and_the_last_failure_says_so() -> None:
    assert next_move(PLAN, [failed(0)], **FREE) == CallStep(1)
    assert next_move(PLAN, [failed(0), failed(1), failed(2)], **FREE) == Finish(None, "calls_failed")


def test_an_answer_that_failed_its_check_is_better_than_none() -> None:
    assert next_move(PLAN, [failed(0), failed(1, usable=True), failed(2)], **FREE) == Finish(1, None)


def test_no_step_is_started_after_the_deadline() -> None:
    late = next_move(PLAN, [failed(0)], seconds_left=0, money_left_usd=float("inf"))
    assert late == Finish(None, "deadline_exceeded")


def test_a_step_that_could_break_the_ceiling_is_not_started() -> None:
    assert next_move(PLAN, [], seconds_left=9, money_left_usd=0.02) == CallStep(0)
    spent = next_move(PLAN, [failed(0)], seconds_left=9, money_left_usd=0.04)
    assert spent == Finish(None, "max_cost_reached")


def test_a_model_whose_breaker_opened_is_called_only_when_nothing_else_is_left() -> None:
    assert next_move(PLAN, [], **FREE, avoid={"small"}) == CallStep(1)
    assert next_move(PLAN, [failed(1), failed(2)], **FREE, avoid={"small"}) == CallStep(0)


@given(
    st.lists(st.sampled_from(["fail", "usable", "pass"]), min_size=3, max_size=3), st.sets(st.integers(0, 2))
)
def test_every_plan_ends_and_calls_each_step_once(script: list[str], avoided: set[int]) -> None:
    avoid = {PLAN.steps[step].model for step in avoided}
    outcomes: list[StepOutcome] = []
    while isinstance(move := next_move(PLAN, outcomes, **FREE, avoid=avoid), CallStep):
        assert move.step not in {outcome.step for outcome in outcomes}
        kind = script[move.step]
        outcomes.append(answered(move.step) if kind == "pass" else failed(move.step, usable=kind == "usable"))
    assert len(outcomes) <= 3
    if "pass" in script:
        assert move.answer is not None
        assert outcomes[move.answer].passed
