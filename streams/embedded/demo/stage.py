"""Everything that runs for a demo: broker, simulated providers, topics, router, tables. Entered, watched, left.

What was started is stopped, whatever happens. The folder with the logs is kept only where something failed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

import aiohttp

from streams.bus.connection import client_options
from streams.bus.topology import admin_client
from streams.embedded.broker import EmbeddedBroker
from streams.embedded.demo import children
from streams.embedded.demo.configuration import Bootstrap, Configuration, write_from, write_packaged
from streams.embedded.demo.errors import DemoError
from topics import provision

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from types import TracebackType

    from streams.embedded.demo.children import Child
    from streams.embedded.demo.plan import Plan

T = TypeVar("T")

BrokerLabel = Literal["kafka", "tansu", "external"]

SPEED: Final = 0.2
"""Factor on the simulated latencies, so that a demo of a few hundred tasks takes seconds."""
_REQUEST_TIMEOUT_S: Final = 5.0
_CLOSE_S: Final = 3.0


class Stage:
    """A demo's processes while entered.

    Args:
        plan: the demo.
        say: is told, in a sentence, what is being done.
    """

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._say = say
        self._stack = AsyncExitStack()
        self._broker: EmbeddedBroker | None = None
        self._children: list[Child] = []
        self._simulator: Child | None = None
        self._keep_logs = False
        self.configuration: Configuration
        self.folder: Path

    async def __aenter__(self) -> Self:
        """Start everything.

        Raises:
            DemoError: a process did not start.
            EmbeddedBrokerError: the broker did not.
            ConfigError: the user's configuration has mistakes.
            ProvisionError: the topics were refused.
            KafkaError: the user's Kafka cannot be reached.
        """
        try:
            await self._start()
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything."""
        self._keep_logs = self._keep_logs or isinstance(error, DemoError)
        await self._stack.aclose()

    @property
    def options(self) -> dict[str, Any]:
        """What every aiokafka client takes."""
        return client_options(self.configuration.settings.kafka, os.environ)

    @property
    def servers(self) -> str:
        """Bootstrap servers."""
        return self.configuration.settings.kafka.brokers

    @property
    def broker(self) -> BrokerLabel:
        """Which broker it is, in a word."""
        return "external" if self._broker is None else self._broker.kind

    @property
    def broker_described(self) -> str:
        """Which broker it is, in a sentence."""
        if self._broker is None:
            prefix = self.configuration.settings.kafka.prefix
            return f"your Kafka at {self.servers}; topics {prefix}.* stay there"
        return {"kafka": "Apache Kafka on the local JVM", "tansu": "Tansu, in memory"}[self._broker.kind]

    def keep_logs(self) -> None:
        """Something is not as it should be: leave the logs where they are."""
        self._keep_logs = True

    async def while_running(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of the work.

        Raises:
            DemoError: a process ended before the work did.
        """
        doing = asyncio.ensure_future(work)
        ends = [asyncio.ensure_future(child.exited()) for child in self._children]
        if self._broker is not None:
            ends.append(asyncio.ensure_future(_broker_exited(self._broker)))
        try:
            await asyncio.wait([doing, *ends], return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            raise next(end for end in ends if end.done()).result()
        finally:
            await _given_up([doing, *ends])

    async def outage(self, model: str, *, duration_s: float) -> None:
        """Let a simulated model answer 503 for a while."""
        if self._simulator is None:
            raise RuntimeError(_NOT_SIMULATED)
        incident = {"model": model, "kind": "outage", "status": 503, "duration_s": duration_s}
        timeout = aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.post(f"{self._simulator.url}/admin/incidents", json=incident) as response,
        ):
            response.raise_for_status()

    # --- starting ------------------------------------------------------------------------------------

    async def _start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sluice-demo-"))
        self._stack.callback(self._remove_folder)
        self._stack.push_async_callback(self._stop_all)
        if self._plan.simulated:
            self._simulator = children.simulator(self.folder, speed=SPEED)
            self._children.append(self._simulator)
        bootstrap = await self._bootstrap()
        if self._plan.config is not None:
            self.configuration = write_from(self._plan.config, self.folder, bootstrap)
        elif self._simulator is not None:
            provider_url = f"{self._simulator.url}/v1"
            self.configuration = write_packaged(self.folder, bootstrap, provider_url)
        self._say(f"Topics {self.configuration.settings.kafka.prefix}.* on {self.servers}")
        await self._apply_topics()
        self._say("A router and a tables worker, each a process of its own")
        for role in (children.router, children.tables):
            started = role(self.folder, self.configuration.file, self.configuration.variables)
            self._children.append(started)
        await self.while_running(_all_ready(self._children))

    async def _bootstrap(self) -> Bootstrap:
        if self._plan.brokers is not None:
            self._say(f"Your Kafka at {self._plan.brokers}")
            return Bootstrap(self._plan.brokers, embedded=False)
        self._say("A broker on this machine" + (", and six simulated models" if self._simulator else ""))
        broker = EmbeddedBroker(self._plan.kind, progress=self._say)
        await broker.start()
        self._broker = broker
        return Bootstrap(broker.bootstrap, embedded=True, idempotent=broker.idempotent)

    async def _apply_topics(self) -> None:
        kafka = self.configuration.settings.kafka
        async with admin_client(self.options) as admin:
            await provision.apply(
                admin, prefix=kafka.prefix, partitions=kafka.partitions, replication=kafka.replication
            )

    # --- stopping ------------------------------------------------------------------------------------

    async def _stop_all(self) -> None:
        """The roles first, which still have something to write; then the broker."""
        try:
            await asyncio.gather(*(child.stop() for child in self._children))
        finally:
            if self._broker is not None:
                await self._broker.stop()

    def _remove_folder(self) -> None:
        if not self._keep_logs:
            shutil.rmtree(self.folder, ignore_errors=True)


async def _all_ready(starting: list[Child]) -> None:
    await asyncio.gather(*(child.ready() for child in starting))


async def _given_up(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel; and once more, what still waits to close its connections to a broker that is gone."""
    for _ in range(2):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_CLOSE_S)


async def _broker_exited(broker: EmbeddedBroker) -> DemoError:
    code = await broker.exited()
    return DemoError(f"The broker ended by itself, with exit code {code}:\n{broker.output_tail()}")


_NOT_SIMULATED: Final = "Only simulated providers can be told to fail."
