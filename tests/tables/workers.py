"""`sluice worker tables` as a process that tests may kill, and the calls that it is fed with."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import aiohttp

from streams.bus.producer import Outgoing, Publisher
from streams.state.merge import Spend, add_up_spend
from streams.tables.folds import PartitionFold
from tests.calls import completed
from topics.catalog import CALL_COMPLETED
from topics.codec import encode
from topics.events import CallCompleted, CallStatus, SpendPartial

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator

    from streams.config.settings import Kafka
    from streams.state.view import StateView

START_DEADLINE_S = 120.0


class StartWorker(Protocol):
    """Starts a worker process."""

    def __call__(self, kafka: Kafka, instance: str | None = None) -> Awaitable[TablesWorker]: ...


@dataclass
class TablesWorker:
    """A running worker."""

    process: asyncio.subprocess.Process
    port: int
    log: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=2_000))
    reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, kafka: Kafka, instance: str | None) -> Self:
        process = await launch(kafka, instance)
        worker = cls(process, port=0)
        async with asyncio.timeout(START_DEADLINE_S):
            while not worker.port:
                line = await _next_line(process)
                assert line is not None, f"the worker ended: {list(worker.log)}"
                worker.log.append(line)
                if line["event"] == "tables.started":
                    worker.port = int(line["http"].rsplit(":", 1)[1])
        worker.reading = asyncio.create_task(worker._read_on())
        return worker

    async def _read_on(self) -> None:
        while (line := await _next_line(self.process)) is not None:
            self.log.append(line)

    async def health(self) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.port}/healthz") as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found

    async def metric(self, name: str) -> float:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.port}/metrics") as answer,
        ):
            lines = (await answer.text()).splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split()[0] == name)

    async def owns(self, count: int) -> set[int]:
        """Wait until it owns so many partitions."""
        deadline = time.monotonic() + START_DEADLINE_S
        while len(partitions := set((health := await self.health()).get("partitions", ()))) != count:
            assert time.monotonic() < deadline, (
                f"wants {count} partitions, has {health}; log: {list(self.log)[-40:]}"
            )
            await asyncio.sleep(0.05)
        return partitions

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(START_DEADLINE_S):
            return await self.process.wait()


async def launch(kafka: Kafka, instance: str | None = None) -> asyncio.subprocess.Process:
    """The process alone; its log is on standard error."""
    config = Path(tempfile.mkdtemp(prefix="sluice-test-")) / "sluice.yaml"
    tables = {"http_port": 0} | ({"instance": instance} if instance else {})
    config.write_text(json.dumps({"kafka": kafka.model_dump(mode="json"), "tables": tables}))
    command = [sys.executable, "-m", "streams.cli", "worker", "tables", "--config", str(config)]
    return await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)


async def _next_line(process: asyncio.subprocess.Process) -> dict[str, Any] | None:
    assert process.stderr is not None
    raw = await process.stderr.readline()
    if not raw:
        return None
    try:
        line: dict[str, Any] = json.loads(raw)
    except ValueError:
        return {"event": raw.decode(errors="replace").rstrip()}
    return line


def many_calls(count: int, since: float) -> Iterator[CallCompleted]:
    """Calls of several models, tenants, types and hours, some of which failed."""
    for number in range(count):
        yield completed(
            number,
            model=f"model-{number % 5}",
            provider=f"provider-{number % 2}",
            tenant=f"tenant-{number % 7}",
            type=("code", "chat", "extract")[number % 3],
            tags=("batch",) if number % 4 == 0 else (),
            status=CallStatus.OK if number % 10 else CallStatus.TIMEOUT,
            started_at=since - 3_600.0 * (number % 3),
            latency_s=0.1 + number / 1_000,
        )


@dataclass
class Ledger:
    """Publishes calls and remembers them, to say what the tables must come to."""

    publisher: Publisher
    kafka: Kafka
    written: list[list[CallCompleted]] = field(default_factory=list)

    async def publish(self, calls: Iterable[CallCompleted]) -> None:
        """Publish calls in turn to the partitions, and wait for the acknowledgements."""
        self.written = self.written or [[] for _ in range(self.kafka.partitions)]
        topic = CALL_COMPLETED.full_name(self.kafka.prefix)
        pending = []
        for number, call in enumerate(calls):
            partition = number % self.kafka.partitions
            self.written[partition].append(call)
            record = Outgoing(topic, partition, call.task_id.encode(), encode(call), [])
            pending.append((record, await self.publisher.send(record)))
        for record, acknowledgement in pending:
            await self.publisher.settle(record, acknowledgement)

    @property
    def count(self) -> int:
        return sum(map(len, self.written))

    def expected(self, now: float) -> dict[str, Spend]:
        """Spend by scope, as folding everything once gives it."""
        partials: dict[str, list[SpendPartial]] = {}
        for partition, calls in enumerate(self.written):
            fold = PartitionFold(partition, lambda _: None)
            for offset, call in enumerate(calls):
                fold.fold(call, offset, now)
            fold.settle(now)
            for key, partial in fold.partials().items():
                if isinstance(partial, SpendPartial):
                    partials.setdefault(key.scope, []).append(partial)
        return {scope: comparable(add_up_spend(scope, found)) for scope, found in partials.items()}


def comparable(spend: Spend) -> Spend:
    """Without the time of its last change."""
    return replace(spend, updated_at=0.0)


def seen(view: StateView) -> dict[str, Spend]:
    """Spend by scope, as a view has it."""
    return {scope: comparable(view.spend(scope)) for scope in view.partials.scopes()}


def health_calls(view: StateView) -> int:
    """Calls in all health buckets of all models."""
    return sum(
        bucket.ok + bucket.failed + bucket.throttled + bucket.rejected
        for model in view.partials.models()
        for bucket in view.health(model).buckets
    )
