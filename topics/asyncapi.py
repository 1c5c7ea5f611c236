"""The AsyncAPI 3.0 document of the bus, from the catalog.

Operations are seen from Sluice: it receives what others publish and sends what others read. Topics that
belong to a stream processor are left out.
"""

from __future__ import annotations

from typing import Any

from topics.catalog import DEFAULT_PREFIX, TOPICS, Cleanup, Party, Topic
from topics.headers import SOURCE_HEADER, TRACE_HEADER
from topics.json_schema import Schema, components, event_types

BINDING_VERSION = "0.5.0"
DEFAULT_BROKERS = "localhost:9092"
DEFAULT_PARTITIONS = 8
DEFAULT_REPLICATION = 1
CONTRACT_VERSION = "1.0.0"
"""Minor: a topic or an optional field was added. Major: a topic of a new vN."""

_TEXT: Schema = {"type": "string"}
_PLAIN_HEADERS = "PlainHeaders"
_EVENT_HEADERS = "EventHeaders"
_DEAD_LETTER_HEADERS = "DeadLetterHeaders"


def document(
    *,
    prefix: str = DEFAULT_PREFIX,
    brokers: str = DEFAULT_BROKERS,
    partitions: int = DEFAULT_PARTITIONS,
    replication: int = DEFAULT_REPLICATION,
) -> dict[str, Any]:
    """The document as plain data, the same for the same arguments."""
    topics = [topic for topic in TOPICS if not topic.internal]
    return {
        "asyncapi": "3.0.0",
        "id": "urn:sluice:bus",
        "info": {
            "title": "Sluice",
            "version": CONTRACT_VERSION,
            "description": (
                "AI tasks in, answers out, on Kafka. Inside a version only optional fields are added: "
                "ignore fields you do not know, and take enum values you do not know as `unknown`."
            ),
        },
        "defaultContentType": "application/json",
        "servers": _servers(brokers),
        "channels": {topic.name: _channel(topic, prefix, partitions, replication) for topic in topics},
        "operations": {name: one for topic in topics for name, one in _operations(topic).items()},
        "components": {
            "messages": {
                message: _message(topic, event)
                for topic in topics
                for message, event in _message_names(topic).items()
            },
            "schemas": _header_schemas() | _draft_7(components(event_types(), "#/components/schemas/{name}")),
        },
    }


def _servers(brokers: str) -> dict[str, Any]:
    hosts = [host.strip() for host in brokers.split(",") if host.strip()]
    return {
        f"kafka{number}": {"host": host, "protocol": "kafka", "description": "Bootstrap server."}
        for number, host in enumerate(hosts, start=1)
    }


def _message_names(topic: Topic) -> dict[str, type]:
    """Message names of a topic: its own, or one for every type of a union."""
    if len(topic.event_types) == 1:
        return {topic.name: topic.event_types[0]}
    return {f"{topic.name}.{event.__name__}": event for event in topic.event_types}


def _channel(topic: Topic, prefix: str, partitions: int, replication: int) -> dict[str, Any]:
    configs = topic.configs()
    return {
        "address": topic.full_name(prefix),
        "title": topic.name,
        "description": f"{_sentence(topic.content)} Key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _message_names(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.full_name(prefix),
                "partitions": topic.partitions(partitions),
                "replicas": replication,
                "topicConfiguration": {
                    "cleanup.policy": [configs["cleanup.policy"]],
                    "retention.ms": int(configs["retention.ms"]),
                    "max.message.bytes": int(configs["max.message.bytes"]),
                },
                "bindingVersion": BINDING_VERSION,
            }
        },
    }


def _operations(topic: Topic) -> dict[str, Any]:
    """What Sluice does with a topic, from who writes and reads it."""
    found: dict[str, Any] = {}
    for action, parties in (("receive", topic.readers), ("send", topic.writers)):
        roles = [party.value for party in parties if party is not Party.OUTSIDE]
        if roles:
            found[f"{action}.{topic.name}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "summary": f"By {' and '.join(roles)}.",
                "messages": [
                    {"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in _message_names(topic)
                ],
            }
    return found


def _message(topic: Topic, event: type) -> dict[str, Any]:
    key = {"type": "string", "description": _sentence(topic.key)}
    message: dict[str, Any] = {
        "name": topic.name,
        "title": event.__name__,
        "summary": _sentence(topic.content),
        "contentType": "application/json",
        "headers": _headers_of(topic),
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "bindings": {"kafka": {"key": key, "bindingVersion": BINDING_VERSION}},
    }
    if not topic.is_json:
        message["contentType"] = "application/octet-stream"
        message["payload"] = {"description": "The original value, byte for byte: JSON or not."}
    if topic.cleanup is Cleanup.COMPACT:
        message["summary"] += " The last value of a key holds; no value deletes the key."
    return message


def _headers_of(topic: Topic) -> Schema:
    if not topic.is_json:
        return _reference(_DEAD_LETTER_HEADERS)
    if Party.OUTSIDE in topic.writers:
        return _reference(_PLAIN_HEADERS)
    return {
        "allOf": [
            _reference(_EVENT_HEADERS),
            {"type": "object", "properties": {"ce_type": {"const": topic.name}}},
        ]
    }


def _header_schemas() -> dict[str, Schema]:
    cloud_event = {
        "ce_specversion": {"const": "1.0"},
        "ce_id": _TEXT
        | {"minLength": 1, "description": "Id of the event: the same when it is written again."},
        "ce_source": _TEXT | {"minLength": 1, "description": "Who wrote it, like `sluice/router`."},
        "ce_type": _TEXT | {"minLength": 1, "description": "The topic's name without its prefix."},
        "ce_time": _TEXT | {"format": "date-time"},
        "content-type": {"const": "application/json"},
        SOURCE_HEADER: _TEXT
        | {
            "pattern": r"^.+:[0-9]+:[0-9]+$",
            "description": "The task's record: `topic:partition:offset`.",
        },
        TRACE_HEADER: _TEXT
        | {
            "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
            "description": "W3C trace context.",
        },
    }
    required = ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type"]
    errors = {f"__streams.errors.{name}": _TEXT for name in ("topic", "partition", "offset")} | {
        "__streams.errors.exception": _TEXT | {"description": "Class of the error."},
        "__streams.errors.message": _TEXT | {"description": "What is wrong, where, and what to do."},
        "__streams.errors.stacktrace": _TEXT
        | {"description": "Stage: bytes, size, json, schema or meaning."},
    }
    return {
        _PLAIN_HEADERS: {
            "type": "object",
            "description": "Headers that a producer may set; none is needed.",
            "properties": cloud_event,
        },
        _EVENT_HEADERS: {
            "type": "object",
            "description": "CloudEvents 1.0 in Kafka's binary mode, and where the event comes from.",
            "properties": cloud_event,
            "required": required,
        },
        _DEAD_LETTER_HEADERS: {
            "type": "object",
            "description": "The original record's headers, then why it could not be used.",
            "properties": errors | {SOURCE_HEADER: cloud_event[SOURCE_HEADER]},
            "required": [*errors, SOURCE_HEADER],
        },
    }


def _draft_7(schema: Any) -> Any:  # noqa: ANN401 - any JSON value
    """2020-12 as msgspec writes it in the draft 7 that AsyncAPI 3.0 speaks."""
    if isinstance(schema, list):
        return [_draft_7(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    new = {key: _draft_7(value) for key, value in schema.items()}
    if "prefixItems" in new:
        new["additionalItems"] = new.pop("items", True)
        new["items"] = new.pop("prefixItems")
    if "$ref" in new and len(new) > 1:
        new = {"allOf": [{"$ref": new.pop("$ref")}]} | new
    return new


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
