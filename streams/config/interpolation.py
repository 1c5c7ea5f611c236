"""`${NAME}` and `${NAME:-default}` in ordinary text. Secrets do not pass here: they stay references."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(
    r"(?P<escaped>\$\$\{)"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}"
    r"|(?P<broken>\$\{)"
)


class InterpolationError(Exception):
    """The text cannot be completed. Message and cure as a problem has them."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """The text with its references replaced; `$${` stands for a literal `${`.

    A default counts where the variable is not set or empty, as in a shell.

    Raises:
        InterpolationError: a variable is not set and there is no default, or a reference is malformed.
    """

    def replace(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "${"
        if match["broken"]:
            message = "a reference to an environment variable begins here and is not complete"
            cure = "write ${NAME} or ${NAME:-default}, or $${ for the characters themselves"
            raise InterpolationError(message, cure)
        name, default = match["name"], match["default"]
        value = environ.get(name)
        if default is not None:
            return value or default
        if value is None:
            message = f"environment variable {name} is not set"
            raise InterpolationError(message, f"export it, or give a default: ${{{name}:-…}}")
        return value

    return _TOKEN.sub(replace, text)
