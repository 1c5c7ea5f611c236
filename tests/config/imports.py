"""An import as the tests of importers look at it."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

from streams.config.importing import Imported, Kind, import_data
from streams.config.importing.report import keys_of, path_text
from streams.config.importing.source import kind_of, read_text

if TYPE_CHECKING:
    from streams.config.importing import Entry


def imported(text: str, kind: Kind | None = None) -> Imported:
    """What becomes of a text."""
    data = read_text(dedent(text), "source")
    return import_data(data, kind or kind_of(data))


def entry(found: Imported, key: str) -> Entry:
    """What is said of a key; fails unless it is said once."""
    (only,) = [each for each in found.report.entries if each.key == key]
    return only


def told(found: Imported, key: str) -> tuple[str, str]:
    """Outcome and sentence of a key."""
    only = entry(found, key)
    return only.outcome.value, only.what


def keys(data: dict[str, Any]) -> list[str]:
    """Paths of all keys of a source."""
    return [path_text(loc) for loc in keys_of(data)]
