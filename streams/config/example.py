"""Where the packaged example policy lies."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def example_path() -> Path:
    """`example.yaml` of the installed package: eight real models, rules for finance, code and languages."""
    return Path(str(files("streams.config") / "example.yaml"))
