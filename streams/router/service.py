"""The router's life, and the loop from records to carried-out tasks.

    created ──start──▶ starting ──assigned──▶ running ──SIGTERM──▶ draining ──empty or deadline──▶ stopped
                                                 │  ▲
                                                 └──┘ rebalance: drain what is revoked, take over what is assigned

One consumer in one group reads the task topics. Records are decided in batches as they come; every task is then
carried out on its own (`carrier`), and its offset is committed when all before it are finished (`tracker`).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from streams.bus.closing import CLOSE_WITHIN_S, close
from streams.bus.connection import client_options
from streams.bus.producer import Publisher
from streams.call import Caller, RetryBudget
from streams.decide import CompiledPolicy, published_policy, published_registry
from streams.observability.server import ProbeServer, Verdict
from streams.registry import Registry
from streams.router.assignment import Assignment, check_topics
from streams.router.carrier import Carrier
from streams.router.intake import Intake
from streams.router.knowledge import Knowledge
from streams.router.limits import CallSlots
from streams.router.metrics import Metrics
from streams.router.outputs import Outputs
from streams.router.takeover import metadata_of
from streams.state.view import StateView
from topics.catalog import DEAD_LETTER_BYTES, TASK_SUBMITTED, TASK_SUBMITTED_BATCH
from topics.events import PolicyPublished

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from streams.config.settings import Settings
    from streams.router.partition import Partition

log = structlog.get_logger(__name__)

POLL_MS = 100
ACTIVE_PER_CALL = 1.25
"""Tasks being worked on for every call slot: enough to keep the slots busy, and few enough to decide late and to
have little counted at its reservation after a crash."""


class Phase(StrEnum):
    """Where the router is in its life."""

    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"


class Router:
    """One router. `async with` starts and stops it; `run` works until `stop` is called or the bus fails.

    Args:
        settings: the whole of sluice.yaml.
        environ: where secrets are looked up, once.
        clock: time, as an argument.

    Raises:
        MissingSecretError: on entering, where a secret is not set.
        KafkaError: on entering, where the broker cannot be reached.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str], *, clock: Any = time) -> None:  # noqa: ANN401 - a module or an object with its functions
        self.phase = Phase.CREATED
        self.metrics = Metrics()
        self._settings = settings
        self._environ = environ
        self._clock = clock
        self._stack = AsyncExitStack()
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        self.phase = Phase.STARTING
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            self.phase = Phase.STOPPED
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()
        self.phase = Phase.STOPPED

    def stop(self) -> None:
        """Ask for a drain; `run` returns when it is over."""
        self._stop.set()

    @property
    def probe_port(self) -> int:
        """The port of /healthz, /readyz and /metrics."""
        return self._probes.port

    async def run(self) -> None:
        """Read, decide and carry out until stopped, then drain.

        Raises:
            KafkaError: the bus failed lastingly; nothing is lost, another router takes over.
        """
        committer = asyncio.create_task(self._commit_forever(), name="committer")
        try:
            try:
                await self._consume()
            except KafkaError as error:
                self._fail(error)
            self.phase = Phase.DRAINING
            log.info("router.draining", open_tasks=self._assignment.open_tasks)
            # Without the bus nothing that is waited for could be published.
            within_s = self._settings.router.drain_timeout_s if self._failure is None else 0.0
            await self._drain(list(self._assignment.partitions.values()), within_s)
        finally:
            committer.cancel()
            await asyncio.gather(committer, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    # --- starting ------------------------------------------------------------------------------------

    async def _start(self) -> None:
        settings, environ = self._settings, self._environ
        kafka = settings.kafka
        options = client_options(kafka, environ)
        registry = Registry.of(settings.models, settings.providers)
        policy = CompiledPolicy.of(settings.policy, registry)
        enter = self._stack.enter_async_context
        caller = await enter(Caller(settings.providers, environ))
        publisher = await enter(Publisher(options, idempotent=kafka.idempotence))
        outputs = Outputs(kafka.prefix)
        await check_topics(options, kafka.prefix)
        await self._publish_policy(publisher, outputs, policy, registry)
        view = await enter(StateView(kafka, environ))
        await view.caught_up()
        self._knowledge = Knowledge(view)
        carrier = Carrier(
            publisher=publisher,
            outputs=outputs,
            calls=caller,
            slots=CallSlots(registry, settings.router.max_calls, self.metrics),
            registry=registry,
            retry=settings.retry,
            budget=RetryBudget(),
            knowledge=self._knowledge,
            metrics=self.metrics,
            clock=self._clock,
            on_finished=self._finished,
        )
        self._intake = Intake(
            settings, policy, carrier, publisher, outputs, self._knowledge, self.metrics, self._clock
        )
        self._consumer = self._make_consumer(options)
        self._assignment = Assignment(
            self._consumer, options, settings, self._group, self.metrics, self._clock
        )
        self._probes = await enter(
            ProbeServer(
                settings.router.http_host,
                settings.router.http_port,
                health=self._health,
                ready=self._ready,
                metrics=self.metrics.registry,
            )
        )
        await self._consumer.start()
        self._stack.push_async_callback(close, self._consumer)
        topics = [topic.full_name(kafka.prefix) for topic in (TASK_SUBMITTED, TASK_SUBMITTED_BATCH)]
        self._consumer.subscribe(topics, listener=_Listener(self))
        log.info(
            "router.started", fingerprint=policy.fingerprint, group=self._group, probe_port=self.probe_port
        )

    @property
    def _group(self) -> str:
        return self._settings.router.group or f"{self._settings.kafka.prefix}.router"

    def _make_consumer(self, options: Mapping[str, Any]) -> AIOKafkaConsumer:
        router = self._settings.router
        return AIOKafkaConsumer(
            **options,
            group_id=self._group,
            group_instance_id=router.instance,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # Same partition numbers of all task topics at one member: see docs/design.md, "Non-obvious".
            partition_assignment_strategy=(RangePartitionAssignor,),
            max_partition_fetch_bytes=DEAD_LETTER_BYTES,
            session_timeout_ms=int(router.session_timeout_s * 1000),
            heartbeat_interval_ms=int(router.session_timeout_s * 1000 / 4),
            # The group waits so long for a member that drains.
            rebalance_timeout_ms=int((router.drain_timeout_s + 10) * 1000),
            fetch_max_wait_ms=POLL_MS,
        )

    async def _publish_policy(
        self, publisher: Publisher, outputs: Outputs, policy: CompiledPolicy, registry: Registry
    ) -> None:
        published = PolicyPublished(
            policy.fingerprint,
            self._clock.time(),
            published_policy(policy.policy),
            published_registry(registry),
        )
        await publisher.publish(outputs.policy(published))

    # --- running -------------------------------------------------------------------------------------

    async def _consume(self) -> None:
        """Until stopped or failed: poll, decide, start. Polls even while everything is paused."""
        active_bound = int(ACTIVE_PER_CALL * self._settings.router.max_calls)
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            while not self._stop.is_set() and self._failure is None:
                room = self._settings.router.batch
                if not self._settings.router.decide_only:
                    room = min(room, active_bound - self._assignment.open_tasks)
                self._assignment.throttle(full=room <= 0)
                # Either part may wait for a broker that is away; a stop does not.
                turn = asyncio.create_task(self._turn(max(room, 1)), name="turn")
                await asyncio.wait({turn, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not turn.done():
                    turn.cancel()
                    await asyncio.gather(turn, return_exceptions=True)
                    break
                turn.result()
        finally:
            stopped.cancel()

    async def _turn(self, room: int) -> None:
        """Poll once, and start work on what came. Cancelled halfway, the rest comes back elsewhere."""
        batches = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=room)
        for where, records in batches.items():
            partition = self._assignment.partitions.get(where)
            if partition is None:
                continue  # revoked while the records were on their way
            self.phase = Phase.RUNNING
            for work in await self._intake.take(partition, records):
                if partition.leaving:
                    work.close()  # revoked while deciding: it is somebody else's now
                    continue
                task = asyncio.create_task(work)
                partition.running.add(task)
                task.add_done_callback(partial(self._task_ended, partition))

    def _task_ended(self, partition: Partition, task: asyncio.Task[None]) -> None:
        partition.running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("router.bus_failed", error=repr(error))
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._stop.set()

    def _finished(self, partition: Partition, offset: int) -> None:
        if partition.tracker.is_open(offset):
            partition.tracker.finish(offset)

    # --- committing and draining ---------------------------------------------------------------------

    async def _commit_forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.router.commit_interval_s)
            await self._commit(list(self._assignment.partitions.values()))
            self._assignment.observe_lag()
            age = self._knowledge.age_s(self._clock.time())
            self.metrics.state_age.set(float("nan") if age is None else age)

    async def _commit(self, partitions: Iterable[Partition]) -> None:
        now = self._clock.monotonic()
        due = [(p, p.tracker.position, p.tails()) for p in partitions if p.needs_commit(now)]
        if not due:
            return
        try:
            await self._consumer.commit(
                {p.where: OffsetAndMetadata(position, metadata_of(tails)) for p, position, tails in due}
            )
        except KafkaError as error:
            # A rebalance is under way, or the broker is away: the position is committed next time or, as
            # the events are durable, worked out again by whoever takes over.
            log.warning("router.commit_failed", error=repr(error))
            return
        for partition, position, tails in due:
            partition.was_committed(position, tails, now)

    async def _drain(self, partitions: list[Partition], within_s: float) -> None:
        """Wait for calls in flight up to the deadline, commit, give up what is left."""
        running = {task for partition in partitions for task in partition.running}
        if running:
            _, late = await asyncio.wait(running, timeout=within_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.gather(*late, return_exceptions=True)
                self.metrics.cancelled.inc(len(late))
                log.warning("router.cancelled", tasks=len(late))
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._commit(partitions)
        except TimeoutError:
            log.warning("router.commit_failed", error="no broker took it in time")

    async def revoked(self, wheres: Iterable[TopicPartition]) -> None:
        """Rule 9: stop intake, wait, publish, commit, cancel what is left."""
        self.metrics.rebalances.inc()
        await self._drain(self._assignment.release(wheres), self._settings.router.drain_timeout_s)

    def assigned(self, wheres: Iterable[TopicPartition]) -> None:
        """Take over in the background: the coordinator sends no heartbeats while it waits for its listener."""
        self._assignment.take_over(set(wheres), on_failure=self._fail)

    # --- probes --------------------------------------------------------------------------------------

    def _health(self) -> Verdict:
        age = self._assignment.stalled_s()
        stalled = age > self._settings.router.stall_after_s
        return Verdict(not stalled, {"phase": self.phase.value, "commit_stalled_s": round(age, 1)})

    def _ready(self) -> Verdict:
        age = self._knowledge.age_s(self._clock.time())
        fresh = age is not None and age <= self._settings.router.state_stale_after_s
        ready = self.phase is not Phase.DRAINING and self._assignment.settled
        return Verdict(
            ready,
            {
                "phase": self.phase.value,
                "partitions": len(self._assignment.partitions),
                "state_age_s": None if age is None else round(age, 3),
                "state_stale": not fresh,
            },
        )


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Hands rebalances to the router."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Before the group is joined again."""
        await self._router.revoked(revoked)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """After it was."""
        self._router.assigned(assigned)
