"""Carrying a plan out, as a pure state machine: plan and outcomes so far → next call, or the final answer.

The router, an evaluation on recorded outcomes and a replay share it. It knows nothing of HTTP or Kafka, and a
router that takes a task over continues it from the calls on record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from topics.events import CallStatus, Plan


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """How one step of the plan ended, after its retries."""

    step: int
    status: CallStatus
    passed: bool
    """The answer is there and every check passed or could not tell."""
    usable: bool
    """There is an answer at all; it stands in where none passed."""


@dataclass(frozen=True, slots=True)
class CallStep:
    """Call the model of this step next."""

    step: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The task is over."""

    answer: int | None
    """Index of the outcome whose answer is the result; None: there is none."""
    failure_code: str | None
    """Why there is no answer: `calls_failed`, `deadline_exceeded`, `max_cost_reached`."""


Move = CallStep | Finish


def next_move(
    plan: Plan,
    outcomes: Sequence[StepOutcome],
    *,
    seconds_left: float,
    money_left_usd: float,
    avoid: Collection[str] = (),
) -> Move:
    """What to do next.

    Args:
        plan: a plan with at least one step.
        outcomes: of the steps carried out so far, in order.
        seconds_left: until the task's deadline; infinite without one.
        money_left_usd: of the task's ceiling for all of its calls; a step that could break it is not started.
        avoid: models not to call while another step is left (their breaker opened since the decision).
    """
    for index, outcome in enumerate(outcomes):
        if outcome.passed:
            return Finish(index, None)
    tried = {outcome.step for outcome in outcomes}
    left = [step for step in range(len(plan.steps)) if step not in tried]
    if not left:
        return _give_up(outcomes, "calls_failed")
    if seconds_left <= 0:
        return _give_up(outcomes, "deadline_exceeded")
    left = [step for step in left if plan.steps[step].reserved_usd <= money_left_usd]
    if not left:
        return _give_up(outcomes, "max_cost_reached")
    preferred = [step for step in left if plan.steps[step].model not in avoid]
    return CallStep((preferred or left)[0])


def _give_up(outcomes: Sequence[StepOutcome], code: str) -> Finish:
    """The first usable answer, though it failed a check; else the reason."""
    for index, outcome in enumerate(outcomes):
        if outcome.usable:
            return Finish(index, None)
    return Finish(None, code)
