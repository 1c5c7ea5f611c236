"""The folder a broker works in: locked while in use, kept when it is the user's, removed when it is ours.

A temporary folder whose owner was killed cannot be removed by it; the next broker started on the machine
does that. Whether an owner is alive is told by its lock on a file in the folder, which ends with it
(process ids are reused, and mean nothing between containers).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.embedded.broker.errors import DataFolderError

_PREFIX: Final = "sluice-broker-"
_LOCK: Final = "owner.lock"


def try_lock(file: Path) -> int | None:
    """Take the lock on a file, made if need be.

    Returns:
        A descriptor to close when done (the system does so at our end), or None when somebody else has
        the lock.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """A locked folder. Made by `open_kept` and `open_temporary`."""

    path: Path
    temporary: bool
    _lock: int

    def close(self) -> None:
        """Give up the lock; a temporary folder goes with all that is in it."""
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def open_kept(path: Path) -> WorkFolder:
    """Open the user's folder, made if need be.

    Raises:
        DataFolderError: it cannot be written, or another broker works in it.
    """
    folder = path.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = try_lock(folder / _LOCK)
    except OSError as error:
        problem = error.strerror or str(error)
        raise DataFolderError(folder, problem, "Name a folder that can be written to.") from error
    if lock is None:
        cure = "Stop that broker or name another folder."
        raise DataFolderError(folder, "another broker of Sluice works in it", cure)
    return WorkFolder(folder, temporary=False, _lock=lock)


def open_temporary(root: Path) -> WorkFolder:
    """Make a folder that is removed when closed; first remove those that dead owners left in `root`."""
    _sweep(root)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        lock = try_lock(folder / _LOCK)
        if lock is not None:  # None: somebody's sweep came between the two lines above
            return WorkFolder(folder, temporary=True, _lock=lock)


def _sweep(root: Path) -> None:
    for folder in root.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or somebody else sweeps it
            if (folder / _LOCK).exists() and (lock := try_lock(folder / _LOCK)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
