"""A small instance of a JSON Schema, for structured outputs.

Covers what structured outputs use: types, enum, const, properties, items, anyOf, local references, bounds.
It is no validator, and a `pattern` is not looked at.
"""

from __future__ import annotations

import math
from typing import Any

_DEEPEST = 16
_DEEP = 5
"""From this depth on only what is required is made, so that a schema that refers to itself comes to an end."""
_MOST_VALUES = 5_000
_LONGEST_STRING = 10_000
_FORMATS = {
    "date": "2025-06-30",
    "date-time": "2025-06-30T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
}


def instance(schema: object, *, choice: int, words: dict[str, str]) -> Any:  # noqa: ANN401 - any JSON value
    """A value that the schema allows.

    Args:
        schema: a JSON Schema; anything else allows everything.
        choice: large number that picks among an enum's values and numbers.
        words: `a`, `b` and `c`: what strings speak about.

    Raises:
        ValueError: the schema is none, or asks for very much.
    """
    try:
        return _Maker(schema, choice, words).value(schema, "", 0)
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        message = f"not a usable JSON Schema: {error}"
        raise ValueError(message) from error


class _Maker:
    """One instance in the making."""

    def __init__(self, root: object, choice: int, words: dict[str, str]) -> None:
        self._root = root
        self._choice = choice
        self._words = words
        self._left = _MOST_VALUES

    def value(self, schema: object, name: str, depth: int) -> Any:  # noqa: ANN401 - any JSON value
        self._left -= 1
        if self._left < 0:
            message = f"the schema asks for more than {_MOST_VALUES} values"
            raise ValueError(message)
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return None
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if values:
            return values[self._choice % len(values)]
        alternatives = schema.get("anyOf") or schema.get("oneOf")
        if "$ref" in schema or alternatives or schema.get("allOf"):
            return self.value(self._narrower(schema, alternatives, depth), name, depth + 1)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = kind[0] if isinstance(kind, list) and kind else kind
        return self._of_kind(kind, schema, name, depth)

    def _of_kind(self, kind: object, schema: dict[str, Any], name: str, depth: int) -> Any:  # noqa: ANN401
        match kind:
            case "object":
                properties, required = schema.get("properties", {}), schema.get("required", ())
                keys = dict.fromkeys([*required, *(() if depth > _DEEP else properties)])
                return {key: self.value(properties.get(key, {}), key, depth + 1) for key in keys}
            case "array":
                least = schema.get("minItems", 0)
                count = min(max(least, 0 if depth > _DEEP else 1), schema.get("maxItems", 100), 100)
                return [self.value(schema.get("items", {}), name, depth + 1) for _ in range(count)]
            case "integer" | "number":
                number = self._number(schema, whole=kind == "integer")
                return int(number) if kind == "integer" else number
            case "boolean":
                return self._choice % 2 == 0
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _number(self, schema: dict[str, Any], *, whole: bool) -> float:
        step = 1.0 if whole else 0.01
        if "multipleOf" in schema:
            least, multiple = float(schema.get("minimum", 0)), float(schema["multipleOf"])
            return math.ceil(least / multiple) * multiple
        low, high = _bounds(schema, step)
        low = math.ceil(low) if whole else low
        steps = max(int((high - low) / step), 0)
        return min(round(low + self._choice % (steps + 1) * step, 2), high)

    def _string(self, schema: dict[str, Any], name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        word = ("a", "b", "c")[(self._choice + len(name)) % 3]
        text = f"{name.replace('_', ' ')}: {self._words[word]}".removeprefix(": ")
        least = min(schema.get("minLength", 0), _LONGEST_STRING)
        return text.ljust(least, ".")[: schema.get("maxLength", _LONGEST_STRING)]

    def _narrower(self, schema: dict[str, Any], alternatives: list[Any] | None, depth: int) -> object:
        if "$ref" in schema:
            return self._referred(schema["$ref"])
        return _simplest(alternatives, depth) if alternatives else _merged(schema)

    def _referred(self, reference: object) -> object:
        if not isinstance(reference, str) or not reference.startswith("#"):
            return {}
        node = self._root
        for step in reference[1:].split("/")[1:]:
            node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
        return node


def _bounds(schema: dict[str, Any], step: float) -> tuple[float, float]:
    """Smallest and largest number that is allowed, or that will do."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + step
    if high is None and "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - step
    if low is None:
        low = 0 if high is None else min(0, high)
    return float(low), float(low + 100 if high is None else high)


def _simplest(alternatives: list[Any], depth: int) -> object:
    """The first; deep inside, null where it is allowed."""
    null = {"type": "null"}
    return null if depth > _DEEP and null in alternatives else alternatives[0]


def _merged(schema: dict[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        for key, value in part.items() if isinstance(part, dict) else ():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, ()), *value]
            else:
                merged.setdefault(key, value)
    return merged
