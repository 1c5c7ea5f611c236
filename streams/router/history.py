"""The calls of one task so far, and what follows from them. Pure; read from topics after a take-over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.decide.execution import CallStep, Finish, StepOutcome, next_move
from streams.quality import passed
from streams.registry.prices import usd
from topics.events import CallStatus

if TYPE_CHECKING:
    from collections.abc import Collection

    from topics.events import CallCompleted, Plan


@dataclass(frozen=True, slots=True)
class Attempt:
    """A call to start."""

    step: int
    attempt: int
    repeat: int
    """How often this very call was started before with its outcome lost."""


@dataclass(slots=True)
class History:
    """Every call of a task that is on record, in order."""

    plan: Plan
    calls: list[CallCompleted] = field(default_factory=list)

    @property
    def cost_nusd(self) -> int:
        """All calls, those with unknown outcome at their reservation."""
        return sum(call.cost_nusd for call in self.calls)

    def settled(self) -> list[CallCompleted]:
        """The last call with a known outcome of each step that was carried out, in the order of the steps' turns."""
        return list({call.step: call for call in self._known()}.values())

    def following(
        self, *, seconds_left: float, max_cost_usd: float | None, avoid: Collection[str] = ()
    ) -> Attempt | Finish:
        """The next call, or the end. `Finish.answer` is an index into `settled()`."""
        money_left = float("inf") if max_cost_usd is None else max_cost_usd - usd(self.cost_nusd)
        last = next(reversed(self._known()), None)
        again = last is not None and last.will_retry and seconds_left > 0
        if last is not None and again and self.plan.steps[last.step].reserved_usd <= money_left:
            return self._attempt(last.step, last.attempt + 1)
        move = next_move(
            self.plan,
            [_outcome(call) for call in self.settled()],
            seconds_left=seconds_left,
            money_left_usd=money_left,
            avoid=avoid,
        )
        return self._attempt(move.step, 0) if isinstance(move, CallStep) else move

    def lost(self) -> Attempt | None:
        """The call that may have been in flight when the former owner died; None if none can have been."""
        move = self.following(seconds_left=float("inf"), max_cost_usd=None)
        return move if isinstance(move, Attempt) else None

    def _known(self) -> list[CallCompleted]:
        return [call for call in self.calls if call.status is not CallStatus.OUTCOME_UNKNOWN]

    def _attempt(self, step: int, attempt: int) -> Attempt:
        repeat = sum(
            1
            for call in self.calls
            if (call.step, call.attempt, call.status) == (step, attempt, CallStatus.OUTCOME_UNKNOWN)
        )
        return Attempt(step, attempt, repeat)


def _outcome(call: CallCompleted) -> StepOutcome:
    usable = call.status is CallStatus.OK and bool(call.content or call.tool_calls)
    return StepOutcome(call.step, call.status, passed=usable and passed(call.checks), usable=usable)
