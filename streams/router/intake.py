"""From records to work: decode, recognise what was seen before, decide the rest in one batch.

Bad input never gets further than this: it becomes a dead letter that says where and what to do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from streams.decide import Submission, decide
from streams.router.accounting import Job
from streams.router.carrier import defect
from streams.router.outputs import Incoming
from topics.codec import Rejection, Stage, decode_task
from topics.headers import TRACE_HEADER, Source, header, task_id_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from streams.bus.producer import Publisher
    from streams.config.settings import Settings
    from streams.decide import CompiledPolicy
    from streams.router.carrier import Carrier, Clock
    from streams.router.knowledge import Knowledge
    from streams.router.metrics import Metrics
    from streams.router.outputs import Outputs
    from streams.router.partition import Partition
    from topics.events import TaskRouted

    Work = Coroutine[Any, Any, None]

log = structlog.get_logger(__name__)


class Intake:
    """Turns a batch of records into work to start."""

    def __init__(
        self,
        settings: Settings,
        policy: CompiledPolicy,
        carrier: Carrier,
        publisher: Publisher,
        outputs: Outputs,
        knowledge: Knowledge,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._decide_only = settings.router.decide_only
        self._policy = policy
        self._carrier = carrier
        self._publisher = publisher
        self._outputs = outputs
        self._knowledge = knowledge
        self._metrics = metrics
        self._clock = clock

    async def take(self, partition: Partition, records: Sequence[Any]) -> list[Work]:
        """Start tracking every record, decide on new tasks, hand their decisions to the producer.

        Returns:
            What is to be done, one coroutine a record; the caller runs them all.
        """
        self._metrics.read.inc(len(records))
        work: list[Work] = []
        fresh: list[tuple[Incoming, Submission]] = []
        for record in records:
            partition.tracker.start(record.offset, partition.ends.snapshot())
            incoming = _incoming(record)
            source = str(incoming.source)
            if source in partition.recovery.finished:
                work.append(self._already_finished(partition, incoming, source))
                continue
            submission = self._understand(partition, incoming, source)
            if isinstance(submission, Rejection):
                work.append(self._carrier.reject(partition, incoming, submission))
            elif (open_task := partition.recovery.open.pop(source, None)) is not None:
                job = Job(submission, open_task.decision)
                work.append(self._carrier.resume(partition, incoming, job, open_task.calls))
            else:
                fresh.append((incoming, submission))
        if fresh:
            work.extend(await self._decide(partition, fresh))
        return work

    def _already_finished(self, partition: Partition, incoming: Incoming, source: str) -> Work:
        if task_id := partition.recovery.finished.pop(source):
            partition.ids.add(task_id, source)
        self._metrics.skipped.inc()
        return self._carrier.skip(partition, incoming, partition.recovery.unrecorded.pop(source, None))

    def _understand(self, partition: Partition, incoming: Incoming, source: str) -> Submission | Rejection:
        task = decode_task(incoming.value)
        if isinstance(task, Rejection):
            return task
        task_id = task.task_id or task_id_of(incoming.source)
        if (first := partition.ids.seen_at(task_id)) is not None and first != source:
            message = f"task_id {task_id} was submitted before, at {first}; give every task an id of its own"
            return Rejection(Stage.MEANING, "DuplicateTask", message)
        partition.ids.add(task_id, source)
        submitted_at = task.submitted_at.timestamp() if task.submitted_at else incoming.timestamp_s
        return Submission(task, task_id, source, submitted_at)

    async def _decide(self, partition: Partition, fresh: Sequence[tuple[Incoming, Submission]]) -> list[Work]:
        now = self._clock.time()
        world = self._knowledge.world(now)
        began = self._clock.perf_counter()
        try:
            decisions = decide([item for _, item in fresh], policy=self._policy, world=world, now=now)
        except Exception as error:  # noqa: BLE001 - one task that shows a defect must not stop the others
            return await self._isolate(partition, fresh, error)
        each_s = (self._clock.perf_counter() - began) / len(fresh)
        work: list[Work] = []
        for (incoming, submission), decision in zip(fresh, decisions, strict=True):
            self._metrics.decide_seconds.observe(each_s)
            work.append(await self._start(partition, incoming, submission, decision, each_s))
        return work

    async def _isolate(
        self, partition: Partition, fresh: Sequence[tuple[Incoming, Submission]], error: Exception
    ) -> list[Work]:
        """A defect of ours in deciding: find the task that shows it, and let the others go on."""
        if len(fresh) > 1:
            return [work for one in fresh for work in await self._decide(partition, [one])]
        incoming, _ = fresh[0]
        log.error("decide.defect", source=str(incoming.source), error=type(error).__name__, exc_info=error)
        return [self._carrier.reject(partition, incoming, defect(error))]

    async def _start(
        self,
        partition: Partition,
        incoming: Incoming,
        submission: Submission,
        decision: TaskRouted,
        elapsed_s: float,
    ) -> Work:
        decision = replace(decision, elapsed_us=round(elapsed_s * 1e6, 1))
        steps = decision.plan.steps
        self._metrics.decisions.labels(steps[0].model if steps else "none").inc()
        record = self._outputs.routed(decision, incoming)
        sent = await self._publisher.send(record)
        if self._decide_only:
            return self._carrier.routed_only(partition, incoming, record, sent)
        return self._carrier.carry_out(partition, incoming, Job(submission, decision), (record, sent))


def _incoming(record: Any) -> Incoming:  # noqa: ANN401 - aiokafka's record
    return Incoming(
        source=Source(record.topic, record.partition, record.offset),
        key=record.key,
        value=record.value,
        headers=record.headers,
        timestamp_s=record.timestamp / 1000,
        traceparent=header(record.headers, TRACE_HEADER),
    )
