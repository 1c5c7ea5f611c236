"""The sluice.yaml that the processes of a demo run with, written into its folder.

Either the packaged file as it is, completed by environment variables, or the user's with the demo's Kafka in it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import yaml

from streams.config.load import load_settings
from streams.embedded.demo.plan import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from streams.config.settings import Settings

FILE: Final = "sluice.yaml"

_NOT_TAKEN_OVER: Final = {
    "router": ("group", "instance", "decide_only"),
    "tables": ("instance", "data_dir"),
}
"""Keys of the user's roles that would mix the demo up with what runs elsewhere, or keep it from answering."""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The Kafka that a demo uses."""

    servers: str
    embedded: bool
    idempotent: bool = True


@dataclass(frozen=True, slots=True)
class Configuration:
    """The file, what it needs in the environment, and what it says."""

    file: Path
    settings: Settings
    variables: Mapping[str, str] = field(default_factory=dict)


def packaged_text() -> str:
    """The packaged sluice.yaml."""
    return resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")


def write_packaged(folder: Path, bootstrap: Bootstrap, provider_url: str) -> Configuration:
    """The packaged file.

    Args:
        folder: where it goes.
        bootstrap: the Kafka to use.
        provider_url: `base_url` of the simulated providers.
    """
    variables = {
        "SLUICE_DEMO_BROKERS": bootstrap.servers,
        "SLUICE_DEMO_PREFIX": PREFIX if bootstrap.embedded else fresh_prefix(),
        "SLUICE_DEMO_IDEMPOTENCE": str(bootstrap.idempotent).lower(),
        "SLUICE_DEMO_PROVIDER_URL": provider_url,
    }
    file = folder / FILE
    file.write_text(packaged_text(), encoding="utf-8")
    return Configuration(file, load_settings(file, environ=variables, require_models=True), variables)


def write_from(source: Path, folder: Path, bootstrap: Bootstrap) -> Configuration:
    """The user's file with the demo's Kafka in it.

    On a Kafka of the user's its prefix, partitions and security are kept, and the topics get a prefix of their own
    where it names none. The embedded broker has nothing of that.

    Raises:
        ConfigError: it has mistakes.
    """
    given = load_settings(source, environ=os.environ, require_models=True)
    data: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    for role, keys in _NOT_TAKEN_OVER.items():
        data[role] = {key: value for key, value in (data.get(role) or {}).items() if key not in keys}
    if bootstrap.embedded:
        data["kafka"] = {
            "brokers": bootstrap.servers,
            "prefix": given.kafka.prefix,
            "partitions": given.kafka.partitions,
            "idempotence": bootstrap.idempotent,
        }
    else:
        named = "prefix" in given.kafka.model_fields_set
        data["kafka"] = (data.get("kafka") or {}) | {
            "brokers": bootstrap.servers,
            "prefix": given.kafka.prefix if named else fresh_prefix(),
        }
    file = folder / FILE
    file.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return Configuration(file, load_settings(file, environ=os.environ, require_models=True))


def fresh_prefix() -> str:
    """A prefix of topics that nobody else uses."""
    return f"{PREFIX}-demo-{uuid4().hex[:8]}"
