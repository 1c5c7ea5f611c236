"""Names of environment variables for what must not stand in a file, and for what only its owner knows.

A key that stands in the source is compared, to give equal ones one name, and never shown.
"""

from __future__ import annotations

import re
from typing import Any

from streams.config.importing.report import Export

LITELLM_REFERENCE = "os.environ/"
_REFERENCE = re.compile(r"^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$")
_NO_KEY = frozenset({"", "none", "null", "empty", "no-key", "not-needed", "dummy"})
"""What people write for servers that ask for no key."""


class Reference(str):
    """Text for sluice.yaml that refers to the environment, and is not to be escaped."""

    __slots__ = ()


class Variables:
    """Gives every value a name of its own, and remembers what to export."""

    def __init__(self, source: Any) -> None:  # noqa: ANN401 - plain data
        self._owners: dict[str, tuple[str, str]] = {}
        self._exports: dict[str, Export] = {}
        for name in sorted(_referenced(source)):
            self._owners.setdefault(valid(name), ("variable", name))

    @property
    def exports(self) -> tuple[Export, ...]:
        """Variables that sluice.yaml refers to, in the order in which they came up."""
        return tuple(self._exports.values())

    def reserve(self, name: str) -> None:
        """Keep a name for the variable that is called so."""
        self._owners.setdefault(name, ("variable", name))

    def of_variable(self, name: str, what: str) -> str:
        """The reference to a variable that the source reads as well."""
        found = self._name(valid(name), ("variable", name))
        self._exports.setdefault(found, Export(found, what))
        return found

    def of_value(self, value: str, wanted: str, what: str) -> str:
        """A name for a value that stands in the source; the same for the same."""
        owner = ("value", value)
        known = [name for name, other in self._owners.items() if other == owner]
        found = known[0] if known else self._name(valid(wanted), owner)
        self._exports.setdefault(found, Export(found, what))
        return found

    def _name(self, wanted: str, owner: tuple[str, str]) -> str:
        name, number = wanted, 1
        while self._owners.setdefault(name, owner) != owner:
            number += 1
            name = f"{wanted}_{number}"
        return name


def referred(value: Any) -> str | None:  # noqa: ANN401 - plain data
    """The variable that a whole value refers to, in LiteLLM's way or in the shell's; None where it does not."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    if text.startswith(LITELLM_REFERENCE):
        return text.removeprefix(LITELLM_REFERENCE) or None
    match = _REFERENCE.match(text)
    return match[1] if match else None


def is_no_key(value: Any) -> bool:  # noqa: ANN401 - plain data
    """Whether it stands where a key would, and is none."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _NO_KEY)


def valid(text: str) -> str:
    """As a name that shells accept: capitals, digits and underscores, no digit first."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) and len(text) <= _LONGEST:
        return text
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_").upper()[:_LONGEST] or "IMPORTED"
    return name if not name[0].isdigit() else f"KEY_{name}"


_LONGEST = 60


def _referenced(value: Any) -> set[str]:  # noqa: ANN401 - plain data
    if isinstance(value, dict):
        return {name for below in value.values() for name in _referenced(below)}
    if isinstance(value, list):
        return {name for item in value for name in _referenced(item)}
    name = referred(value)
    return {name} if name else set()
