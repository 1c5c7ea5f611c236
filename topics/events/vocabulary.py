"""The base of every enum on the wire: a value from a newer version decodes to `unknown` instead of failing."""

from enum import StrEnum
from typing import Any, Self


class OpenEnum(StrEnum):
    """A string enum with a member UNKNOWN that stands for every value this version does not know."""

    @classmethod
    def _missing_(cls, value: object) -> Self:  # noqa: ARG003 - the enum protocol
        unknown: Self = cls("unknown")
        return unknown


JsonObject = dict[str, Any]
"""A JSON object that Sluice passes through without looking inside."""
