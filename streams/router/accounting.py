"""From the outcome of an HTTP call to its entry in the ledger of record, and from calls to a result. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.decide import estimate_tokens
from streams.quality import check_answer
from streams.registry.prices import NUSD_PER_USD, cost_nusd, usd
from topics.events import (
    Answer,
    CallCompleted,
    CallStatus,
    CallSummary,
    CostSource,
    Failure,
    ResultStatus,
    TaskCompleted,
    Usage,
)
from topics.headers import call_event_id_of, call_id_of, lost_call_event_id_of, result_id_of

if TYPE_CHECKING:
    from streams.call import CallOutcome
    from streams.decide import Submission
    from streams.decide.execution import Finish
    from streams.registry import RegisteredModel
    from streams.router.history import Attempt, History
    from topics.events import TaskRouted

CHARGEABLE = frozenset({CallStatus.TIMEOUT, CallStatus.NETWORK, CallStatus.BAD_RESPONSE})
"""Failures after which the provider may have charged all the same: counted at their reservation."""


@dataclass(frozen=True, slots=True)
class Job:
    """A task and the decision on it."""

    submission: Submission
    decision: TaskRouted


def reserved_nusd(job: Job, step: int) -> int:
    """Worst case of one call of this step."""
    return round(job.decision.plan.steps[step].reserved_usd * NUSD_PER_USD)


def ended_call(
    job: Job,
    attempt: Attempt,
    model: RegisteredModel,
    outcome: CallOutcome,
    *,
    started_at: float,
    will_retry: bool,
) -> CallCompleted:
    """A call that ended, with its cost and the checks of its answer."""
    task = job.submission.task
    usage, cost, source = _cost(job, attempt, model, outcome)
    checks = (
        check_answer(
            task,
            content=outcome.content,
            tool_calls=outcome.tool_calls,
            finish_reason=outcome.finish_reason,
        )
        if outcome.status is CallStatus.OK
        else ()
    )
    call_id = call_id_of(job.decision.decision_id, attempt.step, attempt.attempt)
    features = job.decision.features
    return CallCompleted(
        event_id=call_event_id_of(call_id, attempt.repeat),
        call_id=call_id,
        task_id=job.decision.task_id,
        source=job.decision.source,
        decision_id=job.decision.decision_id,
        model=model.name,
        provider=model.provider,
        step=attempt.step,
        attempt=attempt.attempt,
        status=outcome.status,
        started_at=started_at,
        latency_s=outcome.latency_s,
        cost_nusd=cost,
        cost_source=source,
        usage=usage,
        repeat=attempt.repeat,
        will_retry=will_retry,
        reserved_nusd=reserved_nusd(job, attempt.step),
        tenant=features.tenant,
        type=features.type,
        tags=features.tags,
        tier=model.tier.value,
        http_status=outcome.http_status,
        error=outcome.error,
        finish_reason=outcome.finish_reason,
        content=outcome.content if outcome.status is CallStatus.OK else None,
        tool_calls=outcome.tool_calls if outcome.status is CallStatus.OK else None,
        response_model=outcome.response_model,
        request_id=outcome.request_id,
        ttft_s=outcome.ttft_s,
        rate_limits=outcome.rate_limits,
        checks=checks,
        price_source=model.price_source,
    )


def lost_call(job: Job, attempt: Attempt, model: RegisteredModel | None, *, now: float) -> CallCompleted:
    """A call that may have been in flight when its router died: spent at the decision's reservation.

    Args:
        job: the task and the former owner's decision.
        attempt: the call.
        model: its model; None where the registry no longer has it.
        now: seconds since the epoch.
    """
    call_id = call_id_of(job.decision.decision_id, attempt.step, attempt.attempt)
    reserved = round(job.decision.reserved_usd * NUSD_PER_USD)
    features = job.decision.features
    return CallCompleted(
        event_id=lost_call_event_id_of(call_id, attempt.repeat),
        call_id=call_id,
        task_id=job.decision.task_id,
        source=job.decision.source,
        decision_id=job.decision.decision_id,
        model=job.decision.plan.steps[attempt.step].model,
        provider="unknown" if model is None else model.provider,
        step=attempt.step,
        attempt=attempt.attempt,
        status=CallStatus.OUTCOME_UNKNOWN,
        started_at=now,
        latency_s=0.0,
        cost_nusd=reserved,
        cost_source=CostSource.RESERVATION,
        usage=Usage(),
        repeat=attempt.repeat,
        reserved_nusd=reserved,
        tenant=features.tenant,
        type=features.type,
        tags=features.tags,
        tier="unknown" if model is None else model.tier.value,
        error="outcome_unknown:router_lost",
        price_source=None if model is None else model.price_source,
    )


def finished(job: Job, history: History, end: Finish, *, now: float, best: RegisteredModel) -> TaskCompleted:
    """The result of a task whose plan came to its end; `best` is the registry's best model, for comparison."""
    answer = None if end.answer is None else history.settled()[end.answer]
    failure = None if answer else _failure(end.failure_code or "calls_failed", history)
    return _result(
        job,
        history,
        now=now,
        failure=failure,
        answer=None if answer is None else Answer(answer.content, answer.tool_calls, answer.finish_reason),
        model=None if answer is None else answer.model,
        tier=None if answer is None else answer.tier,
        baseline_nusd=0 if answer is None else cost_nusd(best.prices, answer.usage),
    )


def refused(job: Job, history: History, code: str, message: str, *, now: float) -> TaskCompleted:
    """The result of a task that gets no answer, for a reason of our own."""
    retryable = code in {"no_eligible_model", "model_gone"}
    return _result(job, history, now=now, failure=Failure(code, message, retryable))


def _result(
    job: Job,
    history: History,
    *,
    now: float,
    failure: Failure | None = None,
    answer: Answer | None = None,
    model: str | None = None,
    tier: str | None = None,
    baseline_nusd: int = 0,
) -> TaskCompleted:
    task, decision = job.submission.task, job.decision
    return TaskCompleted(
        result_id=result_id_of(decision.decision_id),
        task_id=decision.task_id,
        source=decision.source,
        status=ResultStatus.COMPLETED if answer else ResultStatus.FAILED,
        decision_id=decision.decision_id,
        completed_at=now,
        type=decision.features.type,
        tenant=decision.features.tenant,
        answer=answer,
        failure=failure,
        model=model,
        tier=tier,
        cost_usd=usd(history.cost_nusd),
        baseline_usd=usd(baseline_nusd),
        usage=_sum([call.usage for call in history.calls]),
        calls=tuple(
            CallSummary(c.call_id, c.model, c.status.value, usd(c.cost_nusd), c.latency_s)
            for c in history.calls
        ),
        latency_s=max(0.0, now - job.submission.submitted_at),
        metadata=task.metadata,
        tags=task.tags,
    )


def _cost(
    job: Job, attempt: Attempt, model: RegisteredModel, outcome: CallOutcome
) -> tuple[Usage, int, CostSource]:
    if outcome.usage is not None:
        return outcome.usage, cost_nusd(model.prices, outcome.usage), CostSource.USAGE
    if outcome.status is CallStatus.OK:
        said = outcome.content or str(outcome.tool_calls or "")
        usage = Usage(input_tokens=job.decision.features.input_tokens, output_tokens=estimate_tokens(said))
        return usage, cost_nusd(model.prices, usage), CostSource.ESTIMATE
    if outcome.reached and outcome.status in CHARGEABLE:
        return Usage(), reserved_nusd(job, attempt.step), CostSource.RESERVATION
    return Usage(), 0, CostSource.NONE


def _failure(code: str, history: History) -> Failure:
    tried = "; ".join(f"{call.model}: {call.error or _failed_check(call)}" for call in history.settled())
    messages = {
        "calls_failed": f"every model of the plan failed ({tried}); submit the task again later",
        "deadline_exceeded": f"the deadline passed before an answer came ({tried or 'no call was made'})",
        "max_cost_reached": f"the next call could break the task's max_cost_usd ({tried or 'no call was made'})",
    }
    return Failure(code, messages[code], retryable=code == "calls_failed")


def _failed_check(call: CallCompleted) -> str:
    failed = [f"check {check.name} failed" for check in call.checks if check.passed is False]
    return ", ".join(failed) or "no usable answer"


def _sum(usages: list[Usage]) -> Usage:
    return Usage(
        input_tokens=sum(u.input_tokens for u in usages),
        cached_input_tokens=sum(u.cached_input_tokens for u in usages),
        output_tokens=sum(u.output_tokens for u in usages),
        reasoning_tokens=sum(u.reasoning_tokens for u in usages),
    )
