"""A whole installation on this machine: topics, simulated providers, routers and tables as processes.

    async with cluster(bootstrap, folder, routers=2, tables=1) as one:
        await one.submit(500)
        one["router-1"].kill()

It knows how to start, to feed and to watch; what must hold is said by `audit`.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.bus.topology import committed_offsets
from streams.config.settings import Kafka
from streams.embedded.simulator.models import as_settings
from streams.embedded.tasks import tasks
from tests.router.harness import PARTITIONS, Bus, until
from tests.system.processes import Worker
from tests.system.provider import Provider, models, providing
from topics import catalog, codec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from streams.embedded.simulator import SimulatedModel
    from streams.state.view import StateView
    from tests.system.audit import Audit

SESSION_TIMEOUT_S = 6
"""The shortest that Apache Kafka grants: so long its group waits for a member that was killed."""
MAX_CALLS = 16
DRAIN_TIMEOUT_S = 10
STOP_WITHIN_S = 20.0


@dataclass
class Cluster:
    """What is running, and what has been submitted to it."""

    bus: Bus
    provider: Provider
    workers: dict[str, Worker]
    submitted: list[str] = field(default_factory=list)
    """Ids of all tasks."""
    kills: list[float] = field(default_factory=list)
    """When routers were killed, in seconds since the epoch."""
    results: int = 0
    """Records on `task.completed` so far."""

    def __getitem__(self, name: str) -> Worker:
        return self.workers[name]

    @property
    def routers(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.role == "router"]

    @property
    def tables(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.role == "tables"]

    @property
    def kafka(self) -> Kafka:
        return Kafka(brokers=self.bus.bootstrap, prefix=self.bus.prefix, partitions=PARTITIONS)

    def kill(self, name: str) -> None:
        """SIGKILL, noting when."""
        self.workers[name].kill()
        if self.workers[name].role == "router":
            self.kills.append(time.time())

    async def start(self, *names: str) -> None:
        """Start workers, and wait until all are at work."""
        for name in names:
            self.workers[name].start()
        await asyncio.gather(*(self.workers[name].started() for name in names))

    async def submit(self, count: int) -> None:
        """Realistic tasks, spread over the partitions."""
        already = len(self.submitted)
        async with AIOKafkaProducer(**self.bus.options, linger_ms=5) as producer:
            for number, task in enumerate(list(tasks(already + count))[already:]):
                sent = await producer.send(
                    self.bus.name(catalog.TASK_SUBMITTED),
                    codec.encode(task),
                    partition=number % PARTITIONS,
                )
                self.submitted.append(str(task["task_id"]))
            await sent

    async def until_results(self, count: int, *, within_s: float = 60.0) -> None:
        """Wait for so many records on `task.completed`; all workers that are meant to run must be alive."""

        def there() -> bool:
            for worker in self.workers.values():
                if worker.child is not None:
                    assert worker.alive, f"{worker.name} ended with {worker.running.exit_code}"
            return self.results >= count

        await until(there, within_s=within_s)

    async def count_results(self) -> None:
        """Follow `task.completed`, for as long as nobody cancels."""
        topic = self.bus.name(catalog.TASK_COMPLETED)
        async with AIOKafkaConsumer(
            **self.bus.options, enable_auto_commit=False, auto_offset_reset="earliest"
        ) as consumer:
            consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
            while True:
                batches = await consumer.getmany(timeout_ms=50)
                self.results += sum(map(len, batches.values()))


def configuration(bus: Bus, provider: Provider, **router: Any) -> dict[str, Any]:
    """The sluice.yaml of all workers."""
    return {
        **as_settings(provider.simulator.models, provider.base_url),
        "kafka": {
            "brokers": bus.bootstrap,
            "prefix": bus.prefix,
            "partitions": PARTITIONS,
            "idempotence": bus.idempotent,
        },
        "retry": {"max_attempts": 2, "base_s": 0.1, "max_s": 1},
        "router": {
            "max_calls": MAX_CALLS,
            "session_timeout_s": SESSION_TIMEOUT_S,
            "drain_timeout_s": DRAIN_TIMEOUT_S,
            **router,
        },
    }


@asynccontextmanager
async def cluster(
    bus: Bus,
    folder: Path,
    *,
    routers: int = 0,
    tables: int = 0,
    served: Sequence[SimulatedModel] | None = None,
    **router: Any,
) -> AsyncIterator[Cluster]:
    """Topics, providers and this many workers, none of them started. All end with the block.

    `router` is what its section of sluice.yaml says instead.
    """
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(providing(served or models()))
        await bus.apply()
        config = folder / "sluice.yaml"
        config.write_text(yaml.safe_dump(configuration(bus, provider, **router)))
        roles = {
            **{f"router-{number}": "router" for number in range(1, routers + 1)},
            **{f"tables-{number}": "tables" for number in range(1, tables + 1)},
        }
        workers = {name: Worker(name, role, config, folder) for name, role in roles.items()}
        one = Cluster(bus, provider, workers)
        counting = asyncio.create_task(one.count_results(), name="count-results")
        try:
            yield one
        except BaseException:
            sys.stdout.write("\n".join(worker.tails() for worker in workers.values()) + "\n")
            raise
        finally:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)
            for worker in workers.values():
                if worker.child is not None:
                    worker.child.kill()


def share(router: Worker) -> set[int]:
    """Partitions that the router says it was assigned last."""
    assigned = router.events("router.assigned")
    return set(assigned[-1]["partitions"]) if assigned else set()


async def committed(bus: Bus) -> dict[int, int]:
    """The routers' committed offset by partition of `task.submitted`."""
    wheres = [TopicPartition(bus.name(catalog.TASK_SUBMITTED), number) for number in range(PARTITIONS)]
    found = await committed_offsets(bus.options, f"{bus.prefix}.router", wheres)
    return {where.partition: one.offset for where, one in found.items()}


def covers(view: StateView, found: Audit) -> bool:
    """Whether the tables' snapshots say that they have folded everything that was written."""
    snapshots = view.partials._spend.get("all", {})
    return all(
        partition in snapshots and snapshots[partition].covers_offset >= offset
        for partition, offset in found.covers().items()
    )


def fresh_bus(bootstrap: str, *, idempotent: bool = True) -> Bus:
    """Topics that no other test has."""
    return Bus(bootstrap, f"t-{uuid.uuid4().hex[:12]}", idempotent)
