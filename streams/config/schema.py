"""The JSON Schema of sluice.yaml, for editors: completion, descriptions, red lines under typing errors.

It describes the file as it is written, so a reference to an environment variable may stand for any plain
value.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from streams.config import shapes
from streams.config.settings import Settings

_ID = "urn:sluice:schema:config:v1"
_REFERENCE = {"type": "string", "pattern": r"\$\{", "description": "With an environment variable."}


def json_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    schema = Settings.model_json_schema(mode="validation")
    definitions = {name: _written(part) for name, part in schema.pop("$defs").items()}
    described = _written(schema)
    for section in shapes.sections().values():
        _describe(described if section is Settings else definitions[section.__name__], section)
    described["patternProperties"] = {"^x-": {"description": "Not read: a place for anchors."}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _ID,
        **described,
        "title": "sluice.yaml",
        "$defs": definitions,
    }


def _describe(schema: dict[str, Any], section: type[BaseModel]) -> None:
    """Restore descriptions that pydantic drops, of keys whose default is a section; drop such defaults."""
    for key, field in section.model_fields.items():
        if field.description:
            schema["properties"][key]["description"] = field.description
        if isinstance(field.default, BaseModel):
            schema["properties"][key].pop("default", None)


def _written(schema: dict[str, Any]) -> dict[str, Any]:
    """A definition as it may be written: references beside plain values, no titles made from names."""
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            out[key] = {name: _written(below) for name, below in value.items()}
        elif key in {"items", "additionalProperties"} and isinstance(value, dict):
            out[key] = _written(value)
        elif key == "anyOf":
            out[key] = [_written(below) for below in value]
        elif key != "title":
            out[key] = value
    return _with_reference(out)


def _with_reference(schema: dict[str, Any]) -> dict[str, Any]:
    free_text = schema.get("type") == "string" and not {"enum", "const", "pattern"} & schema.keys()
    plain = schema.get("type") in {"integer", "number", "boolean", "string"} and not free_text
    secret = str(schema.get("pattern", "")).startswith(r"^\$")
    if not plain or secret:
        return schema
    outside = {key: schema[key] for key in ("default", "description") if key in schema}
    inside = {key: value for key, value in schema.items() if key not in outside}
    return {"anyOf": [inside, _REFERENCE]} | outside
