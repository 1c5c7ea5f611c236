"""The tables' process: a Faust app in the caller's event loop, its snapshots and its probes.

    STARTING ──▶ RUNNING ──(the app crashes)──▶ RESTARTING ──▶ RUNNING
       │            │                               │
       └────────────┴───────────(leave)─────────────┴──▶ STOPPED

Faust's own `Worker` takes over signals, logging and the loop; it is not used, so that several roles can share
a process. An app that crashed is thrown away and built anew; it recovers from the changelog like any start.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

import structlog
from aiokafka.errors import KafkaConnectionError, KafkaError

from streams.bus.connection import client_options, no_broker
from streams.bus.producer import Publisher
from streams.bus.topology import TopicsNotReadyError, partition_counts
from streams.observability.server import ProbeServer, Verdict
from streams.tables.app import build_app
from streams.tables.folder import Folder
from streams.tables.metrics import TablesMetrics
from streams.tables.snapshots import Snapshots
from streams.tables.source import read_stretch
from streams.tables.storage import TableTopics
from streams.tables.watchdog import RecoveryWatchdog

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
    from types import TracebackType

    from streams.config.settings import Settings
    from streams.tables.app import TablesApp
    from streams.tables.folder import Record

log = structlog.get_logger(__name__)

STOPPED_BY_ITSELF = "Faust stopped by itself"
RESTATE_EVERY_S = 1.0
AHEAD_AFTER_S = 10.0
AHEAD_CURE = "call.completed was created anew; delete and create the changelog and state topics as well"
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
STOP_TIMEOUT_S = 15.0
FINISH_TIMEOUT_S = 5.0
STEADY_AFTER_S = 60.0
"""An app that ran for so long starts again without a longer pause."""


class TablesService:
    """The tables while entered. `ready` waits until they are recovered for the first time."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], *, clock: Callable[[], float] = time.time
    ) -> None:
        self.metrics = TablesMetrics()
        self._settings = settings
        self._environ = environ
        self._clock = clock
        self._options = client_options(settings.kafka, environ)
        self._topics = TableTopics.of(settings.kafka.prefix)
        self._app: TablesApp | None = None
        self._watchdog = RecoveryWatchdog()
        self._owned = asyncio.Event()
        self._ahead_since = clock()
        self._said_ahead = False
        self._resources = AsyncExitStack()
        self._probes = ProbeServer(
            settings.tables.http_host,
            settings.tables.http_port,
            health=self._health,
            ready=self._health,
            metrics=self.metrics.registry,
        )

    async def __aenter__(self) -> Self:
        """Check the topics, open the port, begin.

        Raises:
            TopicsNotReadyError: `sluice topics apply` has not been run, or partitions differ.
            KafkaError: the broker cannot be reached.
            OSError: the port is taken, or the data folder cannot be made.
        """
        await check_topics(self._settings, self._environ)
        async with AsyncExitStack() as resources:
            data_dir = self._settings.tables.data_dir
            if data_dir is None:
                data_dir = Path(resources.enter_context(TemporaryDirectory(prefix="sluice-tables-")))
            data_dir.mkdir(parents=True, exist_ok=True)
            await resources.enter_async_context(self._probes)
            supervisor = asyncio.create_task(self._supervise(data_dir), name="tables")
            resources.push_async_callback(_cancelled, supervisor)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._resources.aclose()

    @property
    def port(self) -> int:
        """Where /healthz and /metrics listen."""
        return self._probes.port

    async def ready(self) -> None:
        """Wait until partitions are owned and recovered."""
        await self._owned.wait()

    def _health(self) -> Verdict:
        app = self._app
        if app is None:
            return Verdict(ok=False, details={"state": "restarting"})
        return Verdict(ok=True, details={"partitions": sorted(app.folder.partitions), "lag": _lag(app)})

    async def _supervise(self, data_dir: Path) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            started = self._clock()
            try:
                await self._run_app(data_dir)
            except Exception as error:  # noqa: BLE001 - whatever it was, the changelog has what is needed
                log.warning("tables.crashed", error=repr(error), restart_in_s=pause_s)
            if self._clock() - started > STEADY_AFTER_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            self.metrics.restarts.inc()

    async def _run_app(self, data_dir: Path) -> None:
        """One app from start to crash or cancellation."""
        async with Publisher(self._options, idempotent=self._settings.kafka.idempotence) as publisher:
            snapshots = Snapshots(self._topics.state, publisher, self.metrics, self._clock)
            folder = Folder(self._topics, publisher, self._read, snapshots, self.metrics, self._clock)
            app = build_app(self._settings, self._environ, folder, data_dir)
            try:
                await app.start()
                self._app = app
                await self._publish(app)
            except asyncio.CancelledError:
                await _within(FINISH_TIMEOUT_S, folder.finish())
                raise
            finally:
                self._app = None
                await _within(STOP_TIMEOUT_S, app.stop())

    def _read(self, partition: int, start: int, end: int) -> AsyncGenerator[Sequence[Record], None]:
        return read_stretch(self._options, self._topics.source, partition, start, end)

    async def _publish(self, app: TablesApp) -> None:
        """Publish snapshots for as long as the app runs; raise why it crashed."""
        folder, interval_s = app.folder, self._settings.tables.snapshot_interval_s
        restated_at = 0.0
        while not app.should_stop:
            await asyncio.sleep(interval_s)
            if self._watchdog.stuck(app.owned_partitions(), folder.partitions.keys(), time.monotonic()):
                assigned = sorted(app.owned_partitions())
                message = f"recovery did not end for partitions {assigned}, has {sorted(folder.partitions)}"
                raise RuntimeError(message)
            if not folder.partitions:
                continue
            if self._clock() - restated_at >= RESTATE_EVERY_S:
                restated_at = self._clock()
                await folder.restate(restated_at - RESTATE_EVERY_S)
                await folder.catch_up(app.ends(), app.generation)
                self._measure(app)
            await folder.snapshots.publish()
            self._owned.set()
        raise app.crash_reason or RuntimeError(STOPPED_BY_ITSELF)

    def _measure(self, app: TablesApp) -> None:
        folds, ends = app.folder.partitions, app.ends()
        self.metrics.partials.set(sum(len(fold.partials()) for fold in folds.values()))
        self.metrics.lag.set(_lag(app))
        ahead = [n for n, fold in folds.items() if fold.next_offset > ends.get(n, fold.next_offset)]
        self.metrics.ahead.set(len(ahead))
        lasting = self._clock() - self._ahead_since > AHEAD_AFTER_S
        if not ahead:
            self._ahead_since = self._clock()
        elif lasting and not self._said_ahead:
            self._said_ahead = True
            log.error("tables.ahead_of_source", partitions=ahead, source=self._topics.source, cure=AHEAD_CURE)


def _lag(app: TablesApp) -> int:
    folds = app.folder.partitions
    return sum(max(0, end - folds[number].next_offset) for number, end in app.ends().items())


async def check_topics(settings: Settings, environ: Mapping[str, str]) -> None:
    """Make sure that the topics of the tables exist and have equally many partitions.

    Raises:
        TopicsNotReadyError: they do not.
        KafkaError: the broker cannot be reached.
    """
    kafka = settings.kafka
    topics = TableTopics.of(kafka.prefix)
    needed = (topics.source, topics.changelog, topics.state, topics.dead_letters)
    counts = await partition_counts(client_options(kafka, environ), needed)
    missing = [name for name in needed if not counts.get(name)]
    if missing:
        message = f"missing on {kafka.brokers}: {', '.join(missing)}; create them with `sluice topics apply`"
        raise TopicsNotReadyError(message)
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        message = (
            f"topics of the tables differ in their partitions: {told}; "
            "delete those that are wrong and create them with `sluice topics apply`"
        )
        raise TopicsNotReadyError(message)


async def run_tables(settings: Settings, environ: Mapping[str, str]) -> int:
    """Run the tables until SIGTERM or SIGINT.

    Returns:
        0 when stopped, 1 when it could not start; the reason is logged.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)
    try:
        async with TablesService(settings, environ) as service:
            log.info("tables.started", http=f"{settings.tables.http_host}:{service.port}")
            await stop.wait()
            log.info("tables.stopping")
    except KafkaConnectionError:
        log.error("tables.not_started", error=no_broker(settings.kafka.brokers))  # noqa: TRY400 - the trace would say no more
        return 1
    except (TopicsNotReadyError, KafkaError, OSError) as error:
        log.error("tables.not_started", error=str(error) or repr(error))  # noqa: TRY400 - the trace would say no more
        return 1
    finally:
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(one)
    return 0


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


async def _within(timeout_s: float, ending: Awaitable[None]) -> None:
    """Do what belongs to an orderly end, if it can be done; what is not stored comes back from the source."""
    try:
        await asyncio.wait_for(ending, timeout_s)
    except Exception as error:  # noqa: BLE001 - a crashed app may fail to stop; it is thrown away
        log.warning("tables.ending_failed", error=repr(error))
