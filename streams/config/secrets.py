"""References to secrets: `${NAME}` names the environment variable that has it; no secret stands in a file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_REFERENCE = re.compile(r"^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$")


class MissingSecretError(Exception):
    """The environment has no such variable, or it is empty."""

    def __init__(self, name: str) -> None:
        super().__init__(f"environment variable {name} is not set; export it before starting")
        self.name = name


@dataclass(frozen=True, slots=True)
class SecretRef:
    """The name of a secret. Printing it shows the name; the value exists only where it is used."""

    name: str

    def __str__(self) -> str:
        return f"${{{self.name}}}"

    def resolve(self, environ: Mapping[str, str]) -> str:
        """The secret itself.

        Raises:
            MissingSecretError: the variable is not set or empty.
        """
        value = environ.get(self.name, "")
        if not value:
            raise MissingSecretError(self.name)
        return value

    @classmethod
    def parse(cls, value: object) -> "SecretRef":
        """`${NAME}` as a reference.

        Raises:
            ValueError: it is anything else; the message does not repeat it.
        """
        if isinstance(value, SecretRef):
            return value
        match = _REFERENCE.match(value) if isinstance(value, str) else None
        if match is None:
            message = (
                "a secret does not stand in this file; put it into an environment variable "
                "and write its name alone, like ${OPENAI_API_KEY}"
            )
            raise ValueError(message)
        return cls(match.group(1))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - pydantic's protocol
        """Validate from `${NAME}`, serialise to it."""
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(
                cls.parse, core_schema.str_schema(pattern=_REFERENCE.pattern)
            ),
            python_schema=core_schema.no_info_plain_validator_function(cls.parse),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )
