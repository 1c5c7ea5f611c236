"""The embedded broker's life: choose, start, wait until it serves, stop; in tests also kill and restart.

    new ── start ──▶ serving ── stop ──▶ stopped (a temporary folder is gone)
                      │   ▲
                 kill │   │ restart: same port, same folder
                      ▼   │
                     dead ┘

A broker that dies by itself is "dead" as well; `exited` waits for that.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Final, Self

import structlog

from streams.embedded.broker import folders, ports
from streams.embedded.broker.choose import BrokerKind, Choice, WantedKind, choose
from streams.embedded.broker.errors import BrokerStartError, PortTakenError
from streams.embedded.broker.machine import Machine
from streams.embedded.broker.process import ChildProcess
from streams.embedded.broker.ready import brokers_serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from structlog.typing import FilteringBoundLogger

_READY_POLL_S: Final = 0.05


class EmbeddedBroker:
    """A broker on 127.0.0.1 that lives as long as the `async with` around it, never longer than this process.

    Start it from a thread that lives as long as the program (the main one): on Linux the kernel kills
    the broker when that thread ends (see guard.py). It is bound to no event loop.
    """

    def __init__(
        self,
        kind: WantedKind = "auto",
        *,
        port: int | None = None,
        data_dir: Path | None = None,
        machine: Machine | None = None,
        progress: Callable[[str], None] | None = None,
        log: FilteringBoundLogger | None = None,
        start_deadline_s: float = 60.0,
        stop_deadline_s: float = 10.0,
    ) -> None:
        """Describe the broker; nothing is started yet.

        Args:
            kind: "kafka", "tansu", or "auto" for Apache Kafka where it can be had and Tansu otherwise.
            port: where clients connect; None or 0 for any free port.
            data_dir: a folder that is kept, and gone on with when it has data; None for one that is removed.
            machine: where to look for Java, jars and Tansu; None for this machine as it is.
            progress: is told, in a sentence, what takes time; None for the log.
            log: for events; None for structlog's (standard error when structlog is not configured).
            start_deadline_s: after which a broker that does not serve is given up (fetching does not count).
            stop_deadline_s: after which a broker that does not end on SIGTERM is killed.
        """
        self._wanted_kind = kind
        self._wanted_port = port
        self._data_dir = data_dir
        self._machine = machine or Machine.here()
        self._log = log or _stderr_unless_configured()
        self._say = progress or (lambda sentence: self._log.info("broker.progress", message=sentence))
        self._start_deadline_s = start_deadline_s
        self._stop_deadline_s = stop_deadline_s
        self._choice: Choice | None = None
        self._folder: folders.WorkFolder | None = None
        self._child: ChildProcess | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        return f"{ports.LOOPBACK}:{self.port}"

    @property
    def port(self) -> int:
        """Where clients connect."""
        self._started()
        return self._port

    @property
    def kind(self) -> BrokerKind:
        """Which broker it is."""
        return self._started().program.kind

    @property
    def durable(self) -> bool:
        """Whether records survive a restart of the broker (`stop` still removes a temporary folder)."""
        return self._started().program.durable

    @property
    def idempotent(self) -> bool:
        """Whether idempotent and transactional producers work."""
        return self._started().program.idempotent

    @property
    def passed_over(self) -> dict[BrokerKind, str]:
        """Kinds that would have been better, and why they cannot be used here."""
        return dict(self._started().passed_over)

    @property
    def data_dir(self) -> Path | None:
        """Where the data is; None when it is in memory."""
        return self._folder.path if self._folder and self._started().program.durable else None

    @property
    def pid(self) -> int:
        """The broker's process."""
        return self._running().pid

    def describe(self) -> str:
        """One sentence for humans: which broker this is and what that means."""
        choice = self._started()
        parts = [f"{choice.program.title} at {self.bootstrap}: {choice.program.meaning}"]
        if self._folder and choice.program.durable:
            fate = "removed when it stops" if self._folder.temporary else "kept"
            parts.append(f"its data in {self._folder.path} is {fate}")
        elif self._data_dir is not None:
            parts.append(f"the data folder {self._data_dir} is not used")
        if choice.passed_over:
            reasons = "; ".join(reason.splitlines()[0].rstrip(".") for reason in choice.passed_over.values())
            parts.append(f"Apache Kafka was passed over because {reasons}")
        return "; ".join(parts) + "."

    def output_tail(self) -> str:
        """The last lines that the broker wrote since it was last started."""
        return self._running().tail()

    async def start(self) -> None:
        """Choose, prepare and start the broker, and wait until it serves.

        Raises:
            NoBrokerError: nothing here can be one.
            PortTakenError: something else listens on the port.
            DataFolderError: the data folder cannot be used.
            BrokerStartError: it ended, or did not serve in time.
        """
        if self._choice is not None:
            return
        if self._wanted_port and not ports.is_free(self._wanted_port):
            raise PortTakenError(self._wanted_port)  # before anything is fetched
        choice = await choose(self._wanted_kind, self._machine, self._say)
        self._folder = (
            folders.open_kept(self._data_dir)
            if self._data_dir is not None and choice.program.durable
            else folders.open_temporary(self._machine.temp_dir)
        )
        try:
            self._choice, self._port = choice, self._wanted_port or ports.pick_free()
            await self._launch()
        except BaseException:
            await self.stop()
            raise
        if self._data_dir is not None and not choice.program.durable:
            self._log.warning(
                "broker.data_dir_unused", kind=choice.program.kind, data_dir=str(self._data_dir)
            )

    async def stop(self) -> None:
        """Stop it in order, or by force after the deadline; remove a temporary folder. Safe to repeat."""
        try:
            if self._child is not None:
                await self._child.stop(self._stop_deadline_s)
        finally:
            self._child = self._choice = None
            if self._folder is not None:
                self._folder.close()
                self._folder = None

    def kill(self) -> None:
        """SIGKILL: what a crash of the machine would be to the broker. `restart` brings it back."""
        self._running().kill()

    async def restart(self) -> None:
        """Stop it, unless it is dead already, and start it again on the same port and folder.

        A broker that was killed is back after some six seconds: its own session must end first.

        Raises:
            PortTakenError: something else has taken the port meanwhile.
            BrokerStartError: it ended, or did not serve in time.
        """
        await self._running().stop(self._stop_deadline_s)
        await self._launch()

    async def exited(self) -> int:
        """Wait until the broker's process ends, for whatever reason; its exit code, negative for a signal."""
        code = await self._running().exited()
        return code if code is not None else 0

    async def _launch(self) -> None:
        program, began = self._started().program, time.monotonic()
        if not ports.is_free(self._port):
            raise PortTakenError(self._port)
        if self._folder is None:
            raise RuntimeError(_NOT_STARTED)
        folder = self._folder.path
        command = await program.command(folder, self._port)
        self._child = ChildProcess(command, folder / "broker.log", cwd=folder)
        await self._until_serving(self._child, began + self._start_deadline_s)
        self._log.info(
            "broker.started",
            kind=program.kind,
            bootstrap=self.bootstrap,
            pid=self.pid,
            seconds=round(time.monotonic() - began, 2),
        )

    async def _until_serving(self, child: ChildProcess, until: float) -> None:
        program = self._started().program
        while not await brokers_serving(ports.LOOPBACK, self._port):
            code = child.exit_code
            if code is None and time.monotonic() < until:
                await asyncio.sleep(_READY_POLL_S)
                continue
            problem = (
                f"{program.title} did not serve on {self.bootstrap} within {self._start_deadline_s:.0f} s."
                if code is None
                else f"{program.title} ended while starting on {self.bootstrap}, with exit code {code}."
            )
            raise BrokerStartError(problem, cure=program.start_cure, exit_code=code, output_tail=child.tail())

    def _started(self) -> Choice:
        if self._choice is None:
            raise RuntimeError(_NOT_STARTED)
        return self._choice

    def _running(self) -> ChildProcess:
        if self._child is None:
            raise RuntimeError(_NOT_STARTED)
        return self._child


_NOT_STARTED: Final = "The embedded broker is not started: use `async with EmbeddedBroker() as broker`."


def _stderr_unless_configured() -> FilteringBoundLogger:
    """Give structlog's logger; unconfigured it would print to standard output, which belongs to data."""
    if structlog.is_configured():
        log: FilteringBoundLogger = structlog.get_logger()
    else:
        log = structlog.wrap_logger(structlog.PrintLogger(sys.stderr))
    return log
