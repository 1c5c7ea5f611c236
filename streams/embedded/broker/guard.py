"""Becomes another program that the kernel kills when its parent dies. Run as a script, never imported.

    python -I -S guard.py PARENT_PID PROGRAM ARGUMENT...

An embedded broker must not outlive the process that started it, even when that is ended by SIGKILL and
can clean up nothing. On Linux a process can ask for that (`PR_SET_PDEATHSIG`), and the request survives
`exec`. It is made here rather than in a `preexec_fn`, because Python code between fork and exec can
deadlock in a process with threads.

Limits: the kernel watches the *thread* that started this process, so brokers are to be started from a
thread that lives as long as the program (the main one). Other systems have no such request; there the
broker outlives a parent that is killed with SIGKILL, and is stopped in all other cases.
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask to die with the parent, then become the program."""
    parent_pid, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only Linux has prctl

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent_pid:  # it died before the request was made
            sys.exit(1)
    os.execv(program[0], program)  # noqa: S606 - no shell is wanted; the caller gives the full path


if __name__ == "__main__":
    main()
