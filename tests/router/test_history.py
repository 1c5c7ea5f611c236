from __future__ import annotations

from dataclasses import replace

import pytest

from streams.decide.execution import Finish
from streams.router.history import Attempt, History
from topics.events import CallCompleted, CallStatus, CostSource, Plan, PlanKind, Step, Usage

PLAN = Plan(PlanKind.SINGLE, (Step("small", 100, 0.01), Step("large", 100, 0.20)))
CALL = CallCompleted(
    event_id="e",
    call_id="c",
    task_id="t",
    source="tasks:0:0",
    decision_id="d",
    model="small",
    provider="p",
    step=0,
    attempt=0,
    status=CallStatus.SERVER,
    started_at=0.0,
    latency_s=0.1,
    cost_nusd=0,
    cost_source=CostSource.NONE,
    usage=Usage(),
)
UNKNOWN = replace(CALL, status=CallStatus.OUTCOME_UNKNOWN, cost_nusd=10_000_000)
OK = replace(CALL, status=CallStatus.OK, content="yes", cost_nusd=5_000_000)


def following(*calls: CallCompleted, max_cost_usd: float | None = None) -> Attempt | Finish:
    return History(PLAN, list(calls)).following(seconds_left=10, max_cost_usd=max_cost_usd)


def test_a_failed_call_that_will_be_retried_is_followed_by_the_same_step() -> None:
    assert following(replace(CALL, will_retry=True)) == Attempt(step=0, attempt=1, repeat=0)


def test_a_failed_call_that_will_not_be_retried_is_followed_by_the_next_step() -> None:
    assert following(CALL) == Attempt(step=1, attempt=0, repeat=0)


@pytest.mark.parametrize("crashes", [1, 2])
def test_a_lost_call_is_repeated_under_its_own_id(crashes: int) -> None:
    assert following(*[UNKNOWN] * crashes) == Attempt(step=0, attempt=0, repeat=crashes)


def test_an_answer_on_record_is_not_asked_for_again() -> None:
    history = History(PLAN, [UNKNOWN, OK])
    assert history.lost() is None
    assert following(UNKNOWN, OK) == Finish(0, None)
    assert history.settled()[0].content == "yes"


def test_a_task_routed_but_never_called_has_its_first_call_lost() -> None:
    assert History(PLAN).lost() == Attempt(step=0, attempt=0, repeat=0)


def test_lost_calls_count_against_the_ceiling() -> None:
    assert following(UNKNOWN, max_cost_usd=0.025) == Attempt(step=0, attempt=0, repeat=1)
    assert following(UNKNOWN, UNKNOWN, max_cost_usd=0.025) == Finish(None, "max_cost_reached")


def test_a_retry_that_could_break_the_ceiling_is_not_started() -> None:
    timed_out = replace(CALL, status=CallStatus.TIMEOUT, will_retry=True, cost_nusd=10_000_000)
    assert following(timed_out, max_cost_usd=0.025) == Attempt(step=0, attempt=1, repeat=0)
    assert following(timed_out, max_cost_usd=0.015) == Finish(None, "max_cost_reached")
    assert following(timed_out, max_cost_usd=0.5) == Attempt(step=0, attempt=1, repeat=0)
