"""A child process of ours: started guarded, watched, stopped, with the end of its output at hand.

Knows nothing of Kafka. It is bound to no event loop, so it may be started under one and stopped under
another. The exit is polled for: that needs neither a thread nor a child watcher, and nobody here is in a
hurry.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_GUARD: Final = Path(__file__).with_name("guard.py")
_POLL_S: Final = 0.02
_TAIL_BYTES: Final = 64 * 1024


class ChildProcess:
    """A running program whose output goes to a file."""

    def __init__(
        self,
        program: Sequence[str],
        output: Path,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start it. Call from a thread that lives as long as the program does (see guard.py).

        Args:
            program: full path and arguments.
            output: file to which its standard output and error are appended.
            cwd: folder it runs in; ours when None.
            env: variables to add to ours.
        """
        self._output = output
        self._output_begins_at = output.stat().st_size if output.exists() else 0
        guarded = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), *program]
        with output.open("ab") as sink:
            self._popen = subprocess.Popen(  # noqa: S603 - a list, no shell; the program is chosen by this package
                guarded,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                start_new_session=True,  # Ctrl-C in the terminal is for us; we stop the child in order
            )

    @property
    def pid(self) -> int:
        """Process id of the program (the guard becomes it)."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    async def exited(self, deadline_s: float | None = None) -> int | None:
        """Wait for its end.

        Returns:
            The exit code, or None when it still runs after `deadline_s`.
        """
        until = None if deadline_s is None else time.monotonic() + deadline_s
        while (code := self.exit_code) is None:
            if until is not None and time.monotonic() >= until:
                return None
            await asyncio.sleep(_POLL_S)
        return code

    async def stop(self, deadline_s: float) -> None:
        """SIGTERM, then SIGKILL when it still runs after `deadline_s`. Harmless when it has ended."""
        if self.exit_code is None:
            self._popen.terminate()
            try:
                await self.exited(deadline_s)
            finally:  # also when the wait is cancelled: an orphan is worse than an unclean end
                self.kill()

    def kill(self) -> None:
        """SIGKILL to it and to what it started, at once. Harmless when it has ended."""
        if self.exit_code is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()

    def tail(self, lines: int = 25) -> str:
        """The last lines of its output."""
        with self._output.open("rb") as file:
            file.seek(max(self._output_begins_at, self._output.stat().st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
        return "\n".join(deque(text.splitlines(), maxlen=lines))


async def run_to_end(
    program: Sequence[str],
    output: Path,
    *,
    deadline_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[int | None, str]:
    """Run a program that ends by itself, guarded like the rest.

    Returns:
        Its exit code (None: it was killed at the deadline) and the end of its output.
    """
    child = ChildProcess(program, output, cwd=cwd, env=env)
    try:
        code = await child.exited(deadline_s)
    finally:
        child.kill()
    return code, child.tail()
