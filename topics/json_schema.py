"""JSON Schemas of the events, from their types: msgspec's, with three things said better.

Fields carry the text below them in the source. Enums are open: the known values are listed and any other
string is valid, because a reader takes it as `unknown`. A task needs a prompt or messages.
"""

from __future__ import annotations

import ast
import inspect
import sys
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from topics.catalog import TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterable

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NEEDED: dict[str, Schema] = {
    "Task": {
        "oneOf": [
            {"required": ["prompt"], "properties": {"prompt": {"type": "string", "minLength": 1}}},
            {"required": ["messages"], "properties": {"messages": {"minItems": 1}}},
        ]
    }
}
"""What the codec demands beyond single fields."""


def file_name(event: type) -> str:
    """Name of the schema's file: type and version, `Task.v1.json`."""
    return f"{event.__name__}.{_version(event)}.json"


def event_types() -> list[type]:
    """Every event type whose values are JSON, in the catalog's order, each once."""
    return list(dict.fromkeys(event for topic in TOPICS if topic.is_json for event in topic.event_types))


def event_schema(event: type) -> Schema:
    """The schema of one event type, complete in itself, in the 2020-12 dialect."""
    definitions = components([event], "#/$defs/{name}")
    own = definitions.pop(event.__name__)
    schema: Schema = {
        "$schema": DIALECT,
        "$id": f"urn:sluice:event:{event.__name__}:{_version(event)}",
        **own,
    }
    if definitions:
        schema["$defs"] = definitions
    return schema


def components(events: Iterable[type], ref_template: str) -> dict[str, Schema]:
    """Schemas of the events and of all that they refer to, by type name, sorted."""
    _, found = msgspec.json.schema_components(tuple(events), ref_template=ref_template)
    types = _types_by_name()
    return {name: _improved(schema, types[name]) for name, schema in sorted(found.items())}


def _improved(schema: Schema, owner: type) -> Schema:
    if issubclass(owner, Enum):
        known = [member.value for member in owner if member.value != "unknown"]
        return {
            "title": schema["title"],
            "description": f"{inspect.getdoc(owner)} Any other value is read as `unknown`.",
            "anyOf": [{"enum": known}, {"type": "string"}],
        }
    if "description" in schema:  # without its indentation, which only Python 3.13 and later take away
        schema["description"] = inspect.cleandoc(schema["description"])
    texts = field_texts(owner)
    for name, field in schema.get("properties", {}).items():
        if name in texts:
            schema["properties"][name] = {"description": texts[name], **field}
    return schema | _NEEDED.get(owner.__name__, {})


def field_texts(owner: type) -> dict[str, str]:
    """The docstrings below the fields of a class, on one line each."""
    tree = ast.parse(inspect.getsource(sys.modules[owner.__module__]))
    body = next(
        node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner.__name__
    )
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _types_by_name() -> dict[str, type]:
    """Classes of the event modules; msgspec names a schema after its class."""
    return {
        thing.__name__: thing
        for name, module in sorted(sys.modules.items())
        if name.startswith("topics.events.")
        for thing in vars(module).values()
        if isinstance(thing, type) and thing.__module__ == name
    }


def _version(event: type) -> str:
    """`v1`: the version of the first topic that carries the event."""
    topic = next(topic for topic in TOPICS if event in topic.event_types)
    return topic.name.rsplit(".", 1)[-1]
