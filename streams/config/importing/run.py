"""An import from end to end: read, map, write, and load what was written before anybody sees it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.config.importing.litellm import import_litellm
from streams.config.importing.portkey import import_portkey
from streams.config.importing.report import Ledger, Report
from streams.config.importing.source import Kind, UnloadableResultError, kind_of, read_file
from streams.config.importing.variables import Variables
from streams.config.load import parse
from streams.config.problems import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from streams.config.settings import Settings

_NAMES = {Kind.LITELLM: "LiteLLM's config.yaml", Kind.PORTKEY: "Portkey's config"}
_IMPORTERS = {Kind.LITELLM: import_litellm, Kind.PORTKEY: import_portkey}
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
_STAND_IN = "https://set.by.a.variable.invalid"


@dataclass(frozen=True, slots=True)
class Imported:
    """A configuration that loads, and what became of the one it was made from."""

    kind: Kind
    text: str
    """sluice.yaml."""
    settings: Settings
    """What the text says, where every variable that it needs is set."""
    report: Report


def import_file(path: Path, kind: Kind | None = None) -> Imported:
    """Import a file; without `kind` its keys tell whose it is.

    Raises:
        ImportFailedError: it is missing, or neither JSON nor YAML, or of no known shape.
    """
    data = read_file(path)
    return import_data(data, kind or kind_of(data))


def import_data(data: dict[str, Any], kind: Kind) -> Imported:
    """Import keys and values.

    Raises:
        ImportFailedError: they have no shape that can be imported.
    """
    ledger, variables = Ledger(data), Variables(data)
    draft, notes = _IMPORTERS[kind](data, ledger, variables)
    text = draft.text(f"Made from {_NAMES[kind]} by `sluice config import`.")
    settings = _loaded(text)
    return Imported(kind, text, settings, Report(ledger.entries(), variables.exports, tuple(notes)))


def _loaded(text: str) -> Settings:
    """The settings in what was written; variables are taken to be set."""
    environ = dict.fromkeys(_REFERENCE.findall(text), _STAND_IN)
    try:
        return parse(text, "sluice.yaml", environ=environ)[0]
    except ConfigError as error:
        problem = error.problems[0]
    message = f"the result would not load: {problem.key}: {problem.message}"
    raise UnloadableResultError(message, "please report this")
