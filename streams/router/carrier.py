"""Carrying one task out: call, check, move on, publish. The order of writes is what survives a SIGKILL.

    task.routed durable ─▶ call ─▶ call.completed durable ─▶ next call ─▶ … ─▶ task.completed durable ─▶ finished

Every arrow waits for Kafka's acknowledgement, but for the last two writes, which wait together.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from streams.call import CallRequest, pause_s
from streams.decide.execution import Finish
from streams.router.accounting import ended_call, finished, lost_call, refused
from streams.router.history import History
from topics.catalog import CALL_COMPLETED, TASK_COMPLETED, TASK_FAILED, TASK_ROUTED
from topics.codec import Rejection, Stage
from topics.events import CallStatus, Failure, ResultStatus
from topics.headers import call_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.bus.producer import Outgoing, Publisher
    from streams.call import CallOutcome, RetryBudget
    from streams.config.settings import Retry
    from streams.registry import Registry
    from streams.router.accounting import Job
    from streams.router.history import Attempt
    from streams.router.knowledge import Knowledge
    from streams.router.limits import CallSlots
    from streams.router.metrics import Metrics
    from streams.router.outputs import Incoming, Outputs
    from streams.router.partition import Partition
    from topics.catalog import Topic
    from topics.events import CallCompleted, TaskCompleted

log = structlog.get_logger(__name__)


class Clock(Protocol):
    """Time as an argument."""

    def time(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds on a clock that does not go back."""

    def perf_counter(self) -> float:
        """Seconds on the finest clock there is."""


class Calls(Protocol):
    """Whoever makes the HTTP calls."""

    async def call(self, request: CallRequest) -> CallOutcome:
        """One call, one outcome; never raises for what a provider does."""


class Carrier:
    """Carries tasks out. Shared by all partitions; holds no state of a task between calls of its methods."""

    def __init__(
        self,
        *,
        publisher: Publisher,
        outputs: Outputs,
        calls: Calls,
        slots: CallSlots,
        registry: Registry,
        retry: Retry,
        budget: RetryBudget,
        knowledge: Knowledge,
        metrics: Metrics,
        clock: Clock,
        on_finished: Callable[[Partition, int], None],
    ) -> None:
        self._publisher = publisher
        self._outputs = outputs
        self._calls = calls
        self._slots = slots
        self._registry = registry
        self._best = registry.models[registry.best()]
        self._retry = retry
        self._budget = budget
        self._knowledge = knowledge
        self._metrics = metrics
        self._clock = clock
        self._on_finished = on_finished

    async def reject(self, partition: Partition, incoming: Incoming, rejection: Rejection) -> None:
        """Publish a dead letter, then finish the record. A dead-letter topic that fails stops the partition."""
        await self._publish(partition, TASK_FAILED, self._outputs.dead_letter(rejection, incoming))
        self._metrics.dead_letters.labels(rejection.stage.value).inc()
        self._metrics.tasks.labels("dead_lettered").inc()
        log.info(
            "task.dead_letter",
            source=str(incoming.source),
            error=rejection.error,
            stage=rejection.stage.value,
        )
        self._on_finished(partition, incoming.source.offset)

    async def skip(self, partition: Partition, incoming: Incoming, unrecorded: CallCompleted | None) -> None:
        """A task that a former owner finished; its last call is put on record where that was lost."""
        if unrecorded is not None:
            await self._publish_call(partition, incoming, unrecorded)
        self._on_finished(partition, incoming.source.offset)

    async def routed_only(
        self, partition: Partition, incoming: Incoming, record: Outgoing, sent: asyncio.Future[object]
    ) -> None:
        """Decide-only: the task is finished when its decision is durable."""
        self._note(partition, TASK_ROUTED, await self._publisher.settle(record, sent))
        self._metrics.tasks.labels("routed").inc()
        self._on_finished(partition, incoming.source.offset)

    async def carry_out(
        self,
        partition: Partition,
        incoming: Incoming,
        job: Job,
        routed: tuple[Outgoing, asyncio.Future[object]],
    ) -> None:
        """A task just decided on: wait for its decision to be durable, then work through its plan."""
        self._note(partition, TASK_ROUTED, await self._publisher.settle(*routed))
        await self._guarded(partition, incoming, job, History(job.decision.plan))

    async def resume(
        self, partition: Partition, incoming: Incoming, job: Job, calls: Sequence[CallCompleted]
    ) -> None:
        """A task that a former owner had routed: account for the call that was lost, then carry on."""
        history = History(job.decision.plan, list(calls))
        self._metrics.resumed.inc()
        if job.decision.plan.steps and (lost := history.lost()) is not None:
            model = job.decision.plan.steps[lost.step].model
            known = self._registry[model] if model in self._registry.index else None
            call = lost_call(job, lost, known, now=self._clock.time())
            await self._publish_call(partition, incoming, call)
            history.calls.append(call)
        await self._guarded(partition, incoming, job, history)

    async def _guarded(self, partition: Partition, incoming: Incoming, job: Job, history: History) -> None:
        """A defect of ours while carrying out ends as a dead letter; a failing bus does not."""
        try:
            result, last_call = await self._work(partition, incoming, job, history)
        except KafkaError:
            raise
        except Exception as error:
            log.exception("task.defect", source=str(incoming.source), error=type(error).__name__)
            await self.reject(partition, incoming, defect(error))
            return
        await self._publish_result(partition, incoming, result, last_call)

    async def _work(
        self, partition: Partition, incoming: Incoming, job: Job, history: History
    ) -> tuple[TaskCompleted, CallCompleted | None]:
        """Work through the plan. The last call is handed back unpublished, to be written with the result."""
        decision, unpublished = job.decision, None
        if decision.failure_code is not None:
            now = self._clock.time()
            return refused(job, history, decision.failure_code, decision.reason, now=now), None
        if gone := [step.model for step in decision.plan.steps if step.model not in self._registry.index]:
            reason = (
                f"its plan names models that are no longer configured ({', '.join(gone)}); submit it again"
            )
            return refused(job, history, "model_gone", reason, now=self._clock.time()), None
        while True:
            move = history.following(
                seconds_left=self._seconds_left(job),
                max_cost_usd=job.submission.task.requirements.max_cost_usd,
                avoid=self._knowledge.open_breakers(self._clock.time()),
            )
            if isinstance(move, Finish):
                break
            if unpublished is not None:
                await self._publish_call(partition, incoming, unpublished)
                unpublished = None
            ended, pause = await self._call(job, move)
            if ended is not None:
                history.calls.append(ended)
                unpublished = ended
            if pause is not None and ended is not None:
                await self._publish_call(partition, incoming, ended)
                unpublished = None
                await asyncio.sleep(pause)
        if move.answer is not None and history.settled()[move.answer].step > 0:
            self._metrics.failovers.inc()
        return finished(job, history, move, now=self._clock.time(), best=self._best), unpublished

    async def _call(self, job: Job, attempt: Attempt) -> tuple[CallCompleted | None, float | None]:
        """One call in its slot, and the pause before it is tried again where it is.

        None instead of a call: the deadline passed while waiting for the slot.
        """
        step = job.decision.plan.steps[attempt.step]
        model = self._registry[step.model]
        call_id = call_id_of(job.decision.decision_id, attempt.step, attempt.attempt)
        async with self._slots.hold(model):
            left = self._seconds_left(job)
            if left <= 0:
                return None, None
            timeout_s = min(left, self._registry.providers[model.provider].timeout_s)
            started_at = self._clock.time()
            outcome = await self._calls.call(
                CallRequest(call_id, model, job.submission.task, step.max_tokens, timeout_s)
            )
        if attempt.attempt == 0:
            self._budget.called()
        pause = self._pause(job, attempt, outcome, call_id)
        call = ended_call(job, attempt, model, outcome, started_at=started_at, will_retry=pause is not None)
        self._measure(call)
        return call, pause

    def _pause(self, job: Job, attempt: Attempt, outcome: CallOutcome, call_id: str) -> float | None:
        """How long to wait before trying the same step again; None: do not."""
        another = attempt.step + 1 < len(job.decision.plan.steps)
        if outcome.status is CallStatus.THROTTLED and another:
            return None  # another model rather than a wait
        pause = pause_s(self._retry, attempt.attempt, outcome, _chance(call_id))
        if pause is None or pause >= self._seconds_left(job):
            return None
        return pause if self._budget.take(self._clock.monotonic()) else None

    def _seconds_left(self, job: Job) -> float:
        deadline = job.submission.task.deadline
        return float("inf") if deadline is None else deadline.timestamp() - self._clock.time()

    def _measure(self, call: CallCompleted) -> None:
        m = self._metrics
        m.calls.labels(call.model, call.status.value).inc()
        if call.status is CallStatus.OK:
            m.call_seconds.labels(call.model).observe(call.latency_s)
        if call.usage.input_tokens:
            m.tokens.labels(call.model, "input").inc(call.usage.input_tokens)
        if call.usage.output_tokens:
            m.tokens.labels(call.model, "output").inc(call.usage.output_tokens)
        m.cost.labels(call.model).inc(call.cost_nusd / 1e9)

    async def _publish_result(
        self, partition: Partition, incoming: Incoming, result: TaskCompleted, last: CallCompleted | None
    ) -> None:
        """Last call and result, in this order, waited for together; then the record is finished."""
        pending = [] if last is None else [self._publish_call(partition, incoming, last)]
        await asyncio.gather(*pending, self._publish_completed(partition, incoming, result))
        if result.status is ResultStatus.FAILED:
            partition.ids.forget(result.task_id)
        self._metrics.tasks.labels(result.status.value).inc()
        self._metrics.task_seconds.observe(max(0.0, self._clock.time() - incoming.timestamp_s))
        self._on_finished(partition, incoming.source.offset)

    async def _publish_completed(
        self, partition: Partition, incoming: Incoming, result: TaskCompleted
    ) -> None:
        try:
            await self._publish(partition, TASK_COMPLETED, self._outputs.completed(result, incoming))
        except MessageSizeTooLargeError:
            short = replace(
                result,
                status=ResultStatus.FAILED,
                answer=None,
                metadata=None,
                failure=_too_large(),
            )
            await self._publish(partition, TASK_COMPLETED, self._outputs.completed(short, incoming))

    async def _publish_call(self, partition: Partition, incoming: Incoming, call: CallCompleted) -> None:
        recorded = self._knowledge.record(call)
        try:
            offset = await self._publish(partition, CALL_COMPLETED, self._outputs.call(call, incoming))
        except MessageSizeTooLargeError:
            short = replace(call, content=None, tool_calls=None)
            offset = await self._publish(partition, CALL_COMPLETED, self._outputs.call(short, incoming))
        self._knowledge.written(recorded, incoming.source.partition, offset)

    async def _publish(self, partition: Partition, topic: Topic, record: Outgoing) -> int:
        offset = await self._publisher.publish(record)
        self._note(partition, topic, offset)
        return offset

    @staticmethod
    def _note(partition: Partition, topic: Topic, offset: int) -> None:
        partition.ends.wrote(topic.name, offset)


def _chance(call_id: str) -> float:
    """Uniform in [0, 1), the same for the same call."""
    return int.from_bytes(blake2b(call_id.encode(), digest_size=7).digest()) / 2**56


def defect(error: Exception) -> Rejection:
    """What a dead letter says when the fault is ours."""
    message = (
        f"a defect in Sluice ({type(error).__name__}); the log has more, and `sluice dlq replay` tries again"
    )
    return Rejection(Stage.MEANING, "InternalError", message)


def _too_large() -> Failure:
    return Failure("result_too_large", "the answer is larger than the topic takes; lower max_tokens")
