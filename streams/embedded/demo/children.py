"""The processes of a demo: commands of ours with a probe over HTTP, their output in files of the demo's folder."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Final

import aiohttp

from streams.embedded.broker import ports
from streams.embedded.broker.process import ChildProcess
from streams.embedded.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_POLL_S: Final = 0.05
_PROBE_TIMEOUT_S: Final = 2.0
_START_DEADLINE_S: Final = 45.0
_STOP_DEADLINE_S: Final = 10.0


class Child:
    """One command of ours, started. It never outlives this process."""

    def __init__(
        self,
        title: str,
        arguments: tuple[str, ...],
        *,
        folder: Path,
        port: int,
        probe: str,
        environ: Mapping[str, str],
    ) -> None:
        """Start it.

        Args:
            title: what it is called in sentences, and its log.
            arguments: of `sluice`.
            folder: where its log goes.
            port: where it serves its probe.
            probe: path that answers 200 when it is ready.
            environ: variables to add to ours.
        """
        self.title = title
        self.url = f"http://{ports.LOOPBACK}:{port}"
        self.log = folder / f"{title}.log"
        self._probe = self.url + probe
        self._process = ChildProcess([sys.executable, "-m", "streams.cli", *arguments], self.log, env=environ)

    async def ready(self) -> None:
        """Wait until its probe passes.

        Raises:
            DemoError: it ended, or was not ready in time.
        """
        until = time.monotonic() + _START_DEADLINE_S
        timeout = aiohttp.ClientTimeout(total=_PROBE_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while not await _passes(http, self._probe):
                code, late = self._process.exit_code, time.monotonic() > until
                if code is not None or late:
                    what = f"was not ready after {_START_DEADLINE_S:.0f} s"
                    raise self.failure(
                        what if code is None else f"ended while starting, with exit code {code}"
                    )
                await asyncio.sleep(_POLL_S)

    async def exited(self) -> DemoError:
        """Wait for its end; what to say of it."""
        code = await self._process.exited()
        return self.failure(f"ended by itself, with exit code {code}")

    async def stop(self) -> None:
        """Stop it in order, or by force after ten seconds."""
        await self._process.stop(_STOP_DEADLINE_S)

    def failure(self, what: str) -> DemoError:
        """An error about it."""
        problem = f"The {self.title} {what}."
        return DemoError(problem, log=self.log, output_tail=self._process.tail(12))


async def _passes(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as response:
            return response.status == 200  # noqa: PLR2004 - OK
    except (aiohttp.ClientError, TimeoutError):
        return False


def simulator(folder: Path, *, speed: float) -> Child:
    """The simulated providers."""
    port = ports.pick_free()
    arguments = ("simulate", "--port", str(port), "--speed", str(speed))
    return Child("simulator", arguments, folder=folder, port=port, probe="/health", environ={})


def router(folder: Path, config: Path, environ: Mapping[str, str]) -> Child:
    """A router."""
    return _role("router", "/readyz", folder, config, environ)


def tables(folder: Path, config: Path, environ: Mapping[str, str]) -> Child:
    """The tables."""
    return _role("tables", "/healthz", folder, config, environ)


def _role(name: str, probe: str, folder: Path, config: Path, environ: Mapping[str, str]) -> Child:
    port = ports.pick_free()
    arguments = ("worker", name, "--config", str(config), "--http-port", str(port))
    return Child(name, arguments, folder=folder, port=port, probe=probe, environ=environ)
