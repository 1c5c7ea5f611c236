"""The sluice.yaml that an import makes: providers, models and rules under names of their own, and its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml

from streams.config.importing.values import plain
from streams.config.importing.variables import Reference

_LONGEST_NAME = 240
_LONGEST_RULE = 90


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What makes a provider one of its own."""

    name: str
    """What it is called, with a number behind where there are several."""
    base_url: str
    api_key: str | None
    """Name of the variable."""
    timeout_s: Decimal | None


@dataclass(slots=True)
class Draft:
    """A configuration in the making."""

    providers: dict[Endpoint, str] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    retry: dict[str, Any] = field(default_factory=dict)
    router: dict[str, Any] = field(default_factory=dict)

    def provider(self, endpoint: Endpoint) -> str:
        """The name of a provider, the same for the same endpoint."""
        if endpoint not in self.providers:
            self.providers[endpoint] = _free(endpoint.name, self.providers.values(), _LONGEST_NAME)
        return self.providers[endpoint]

    def model(self, wanted: str, entry: dict[str, Any]) -> str:
        """Add a model; the name that it got."""
        name = _free(wanted, self.models, _LONGEST_NAME)
        entry = {"name": name, **entry}
        if entry.get("model") == name:
            del entry["model"]
        self.models[name] = entry
        return name

    def rule(self, wanted: str, when: dict[str, Any], models: list[str]) -> str:
        """Add a rule; the name that it got."""
        name = _free(wanted, self.rules, _LONGEST_RULE)
        self.rules[name] = {"name": name, "when": when, "use": {"models": models}}
        return name

    def text(self, heading: str) -> str:
        """As YAML."""
        sections: dict[str, Any] = {
            "providers": {name: _provider(endpoint) for endpoint, name in self.providers.items()},
            "models": list(self.models.values()),
            "policy": ({"rules": list(self.rules.values())} if self.rules else {}) | self.policy,
            "retry": self.retry,
            "router": self.router,
        }
        written = [_dump({key: section}) for key, section in sections.items() if section]
        return "\n".join([f"# {heading}\n", *written])


def _provider(endpoint: Endpoint) -> dict[str, Any]:
    entry: dict[str, Any] = {"base_url": endpoint.base_url}
    if endpoint.api_key is not None:
        entry["api_key"] = Reference(f"${{{endpoint.api_key}}}")
    if endpoint.timeout_s is not None:
        entry["timeout_s"] = endpoint.timeout_s
    return entry


def _free(wanted: str, taken: Any, longest: int) -> str:  # noqa: ANN401 - any collection of names
    wanted = wanted[:longest]
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    return name


class _Flow(dict[str, Any]):
    """A section on one line."""


class _Dumper(yaml.SafeDumper):
    """Lists indented below their key, small sections on one line, numbers as they are."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ANN401, ARG002, FBT001, FBT002 - PyYAML's
        return super().increase_indent(flow, False)  # noqa: FBT003 - PyYAML's

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002 - PyYAML's
        return True


_Dumper.add_representer(
    Decimal, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:float", _float(value))
)
_Dumper.add_representer(Reference, lambda dumper, value: dumper.represent_str(str(value)))
_Dumper.add_representer(
    _Flow, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)
)


def _float(value: Decimal) -> str:
    text = plain(value)
    return text if "." in text else f"{text}.0"


def _dump(data: dict[str, Any]) -> str:
    text: str = yaml.dump(
        _escaped(data),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=110,
        default_flow_style=False,
    )
    return text


def _escaped(value: Any) -> Any:  # noqa: ANN401 - plain data
    """With text that looks like a reference marked as none; sections of plain values, but for the large, on a line."""
    if isinstance(value, Reference):
        return value
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {
            key: _Flow(_escaped(below))
            if key in {"prices", "when", "use", "default", "fallback"}
            else _escaped(below)
            for key, below in value.items()
        }
    return value
