"""`sluice up`: a router and the tables in one process, with a broker on this machine where none is configured.

Exit code 0 when stopped by SIGINT or SIGTERM and drained, 1 when something could not be started or failed, 2 for bad
usage or configuration.
"""

import asyncio
import json
import os
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.options import BrokersOption, ConfigOption, PrefixOption, fail, load

if TYPE_CHECKING:
    from rich.console import Console

    from streams.config.settings import Settings
    from streams.embedded.broker import EmbeddedBroker
    from streams.router.service import Router
    from streams.tables.worker import TablesService

BROKER_PORT = 9092
"""Where a broker of ours listens: where every other command looks for one that is not named."""
CLOSE_S = 5.0
"""How long clients may take to notice that the broker has died."""


def up(
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    broker_port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="Port of the broker that is started where none is configured; 0 for any."
        ),
    ] = BROKER_PORT,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder to keep that broker's data in. Without it the data goes at the end."),
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with all addresses once it serves.")
    ] = False,
) -> None:
    """Run everything in one process, until stopped: broker (unless configured), topics, router, tables."""
    from aiokafka.errors import KafkaConnectionError
    from rich.console import Console

    from streams.bus.connection import no_broker
    from streams.bus.topology import TopicsNotReadyError
    from streams.embedded.broker import EmbeddedBroker, EmbeddedBrokerError
    from streams.observability.logs import configure_logs
    from topics.provision import ProvisionError

    settings = load(config, brokers=brokers, prefix=prefix, require_models=True)
    configured = brokers is not None or "brokers" in load(config).kafka.model_fields_set
    console = Console(stderr=True, highlight=False)
    embedded = None
    if not configured:
        say = lambda sentence: console.print(sentence, style="dim", markup=False)  # noqa: E731 - one line, one use
        embedded = EmbeddedBroker(port=broker_port, data_dir=data_dir, progress=say)
    elif data_dir is not None:
        fail(
            "--data-dir is for the broker that is started where none is configured; remove one of the two",
            code=2,
        )
    configure_logs()
    try:
        code = asyncio.run(_Everything(settings, embedded, console, as_json=as_json).run())
    except KafkaConnectionError:
        fail(no_broker(settings.kafka.brokers))
    except (EmbeddedBrokerError, ProvisionError, TopicsNotReadyError) as error:
        fail(str(error))
    raise typer.Exit(code)


class _Everything:
    """All roles in one event loop."""

    def __init__(
        self, settings: "Settings", embedded: "EmbeddedBroker | None", console: "Console", *, as_json: bool
    ) -> None:
        self._settings = settings
        self._embedded = embedded
        self._console = console
        self._as_json = as_json
        self._stop = asyncio.Event()
        self._last_words: str | None = None

    async def run(self) -> int:
        """Until SIGINT or SIGTERM, or until a part fails; the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        stack = AsyncExitStack()
        try:
            started = await self._unless_stopped(self._start(stack))
            code = 0 if started is None else await self._until_stopped(*started)
        finally:
            await self._close(stack)
        if self._last_words is not None:  # only now: libraries that lose their broker are loud about it
            self._console.print(self._last_words, style="red", markup=False, soft_wrap=True)
        if code == 0:
            self._console.print("Drained and stopped.", style="dim")
        return code

    async def _close(self, stack: AsyncExitStack) -> None:
        """Stop what was started. Clients of a broker that is gone are not waited for: there is nobody to talk to."""
        if self._embedded is None or self._last_words is None:
            await stack.aclose()
            return
        closing = asyncio.ensure_future(stack.aclose())
        await asyncio.wait({closing}, timeout=CLOSE_S)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        await self._embedded.stop()

    async def _start(self, stack: AsyncExitStack) -> "tuple[Router, TablesService]":
        """In the order in which each needs the one before; stopped in the opposite one."""
        from streams.bus.connection import client_options
        from streams.bus.topology import admin_client
        from streams.router.service import Router
        from streams.tables.worker import TablesService
        from topics import provision

        if self._embedded is not None:
            await stack.enter_async_context(self._embedded)
            self._console.print(self._embedded.describe(), markup=False, soft_wrap=True)
            given = {"brokers": self._embedded.bootstrap, "idempotence": self._embedded.idempotent}
            kafka = self._settings.kafka.model_copy(update=given)
            self._settings = self._settings.model_copy(update={"kafka": kafka})
        kafka = self._settings.kafka
        async with admin_client(client_options(kafka, os.environ)) as admin:
            await provision.apply(
                admin, prefix=kafka.prefix, partitions=kafka.partitions, replication=kafka.replication
            )
        tables = await stack.enter_async_context(TablesService(self._settings, os.environ))
        router = await stack.enter_async_context(Router(self._settings, os.environ))
        return router, tables

    async def _unless_stopped(self, work: Any) -> Any:  # noqa: ANN401 - whatever the work gives
        """What the work gives; None where a signal came first."""
        doing, stopped = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            return None
        finally:
            stopped.cancel()
            doing.cancel()
            await asyncio.gather(doing, stopped, return_exceptions=True)

    async def _until_stopped(self, router: "Router", tables: "TablesService") -> int:
        """Run until a signal, then drain; a broker of ours that dies is the end, too."""
        self._announce(router, tables)
        working = asyncio.ensure_future(router.run())
        ends: list[asyncio.Future[Any]] = [working, asyncio.ensure_future(self._stop.wait())]
        if self._embedded is not None:
            ends.append(asyncio.ensure_future(self._embedded.exited()))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._embedded is not None and ends[-1].done():
                self._last_words = (
                    f"The broker ended by itself, with exit code {ends[-1].result()}. The end of its output:\n"
                    f"{self._embedded.output_tail() or '(it wrote nothing)'}"
                )
                return 1
            router.stop()
            await working
        finally:
            for task in ends:
                task.cancel()
            await asyncio.wait(ends, timeout=CLOSE_S)
        return 0

    def _announce(self, router: "Router", tables: "TablesService") -> None:
        kafka = self._settings.kafka
        facts = {
            "brokers": kafka.brokers,
            "prefix": kafka.prefix,
            "router": f"http://{self._settings.router.http_host}:{router.probe_port}",
            "tables": f"http://{self._settings.tables.http_host}:{tables.port}",
        }
        if self._as_json:
            sys.stdout.write(json.dumps(facts) + "\n")
            sys.stdout.flush()
        self._console.print(f"Tasks go to {kafka.prefix}.task.submitted.v1 on {kafka.brokers}", markup=False)
        self._console.print(f"Metrics: {facts['router']}/metrics and {facts['tables']}/metrics", markup=False)
        self._console.print("Ctrl-C drains and stops it.", style="dim")
