"""`sluice worker router` and `sluice worker tables` as processes that a test may end in any way.

They are started guarded, so none outlives the test, however that ends. Every life has a log of its own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from streams.embedded.broker.process import ChildProcess
from tests.router.harness import until

if TYPE_CHECKING:
    from pathlib import Path

START_DEADLINE_S = 40.0
TAIL_LINES = 40


@dataclass
class Worker:
    """One named worker, over all of its lives."""

    name: str
    role: str
    config: Path
    folder: Path
    options: tuple[str, ...] = ()
    lives: list[Path] = field(default_factory=list)
    """The log of each life."""
    child: ChildProcess | None = None

    def start(self) -> None:
        """Begin a life."""
        assert self.child is None, f"{self.name} is already running"
        output = self.folder / f"{self.name}.{len(self.lives)}.log"
        command = [sys.executable, "-m", "streams.cli", "worker", self.role, "--config", str(self.config)]
        self.child = ChildProcess([*command, "--http-port", "0", *self.options], output)
        self.lives.append(output)

    @property
    def running(self) -> ChildProcess:
        assert self.child is not None, f"{self.name} is not running"
        return self.child

    @property
    def alive(self) -> bool:
        return self.child is not None and self.child.exit_code is None

    # --- ways to end ---------------------------------------------------------------------------------

    def kill(self) -> None:
        """SIGKILL; it must have been alive until now."""
        assert self.alive, f"{self.name} ended by itself with {self.running.exit_code}"
        self.running.kill()
        self.child = None

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.running.pid, number)

    async def ended(self, within_s: float) -> tuple[int, float]:
        """Wait for its end; the exit code, and how long it took in seconds."""
        began = time.monotonic()
        code = await self.running.exited(within_s)
        assert code is not None, f"{self.name} is still alive after {within_s} s"
        self.child = None
        return code, time.monotonic() - began

    async def terminate(self, within_s: float) -> tuple[int, float]:
        """SIGTERM, and wait."""
        self.signal(signal.SIGTERM)
        return await self.ended(within_s)

    # --- what it says --------------------------------------------------------------------------------

    def output(self) -> str:
        """All that it has written in this life."""
        return self.lives[-1].read_text(errors="replace") if self.lives else ""

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log events of this name in this life."""
        found = []
        for line in self.output().splitlines():
            if f'"{name}"' in line and line.startswith("{"):
                event = json.loads(line)
                if event.get("event") == name:
                    found.append(event)
        return found

    def said(self, name: str) -> bool:
        """Whether it has logged such an event in this life. It must not have ended."""
        assert self.alive, f"{self.name} ended with {self.running.exit_code}:\n{self.running.tail()}"
        return bool(self.events(name))

    async def started(self) -> None:
        """Wait until it is at work (a router: until it has joined and taken its partitions over)."""
        await until(lambda: self.said(f"{self.role}.started"), within_s=START_DEADLINE_S)
        await until(self.is_ready, within_s=START_DEADLINE_S)

    async def is_ready(self) -> bool:
        """What its readiness probe says."""
        if self.role == "router":
            address = f"127.0.0.1:{self.events('router.started')[-1]['probe_port']}"
        else:
            address = self.events("tables.started")[-1]["http"]
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://{address}/readyz", timeout=aiohttp.ClientTimeout(2)) as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def tails(self) -> str:
        """The end of every life's log."""
        parts = []
        for output in self.lives:
            lines = output.read_text(errors="replace").splitlines()[-TAIL_LINES:]
            parts += [f"--- {output.name}", *(line[:600] for line in lines)]
        return "\n".join(parts)
