"""The file to import → plain data, and whose configuration it is. What its keys mean is the importers' business.

Numbers with a fraction become `Decimal`, so that a price is the one that was written. Keys are text, as written.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Never

import yaml

from streams.config.problems import ConfigError
from streams.config.syntax import compose, load_text

if TYPE_CHECKING:
    from pathlib import Path

_DEPTH = 48
_NODES = 50_000
"""Most values once aliases are unfolded: a few lines of nested aliases can stand for billions."""

_TAG = "tag:yaml.org,2002:"
_LITELLM = frozenset({"model_list", "litellm_settings", "router_settings", "general_settings"})
_PORTKEY = frozenset(
    {"strategy", "targets", "provider", "virtual_key", "override_params", "retry", "cache", "custom_host"}
    | {"virtualKey", "overrideParams", "customHost"}
)
_SLUICE = frozenset({"kafka", "providers", "models", "policy"})


class ImportFailedError(Exception):
    """The file cannot be imported. The message repeats none of its values."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(f"{message}; {cure}")
        self.message = message
        self.cure = cure


class UnloadableResultError(ImportFailedError):
    """What was made does not load: a mistake of the importer."""


def refuse(message: str, cure: str) -> Never:
    """Give the import up.

    Raises:
        ImportFailedError: always.
    """
    raise ImportFailedError(message, cure)


class Kind(StrEnum):
    """Whose configuration it is."""

    LITELLM = "litellm"
    PORTKEY = "portkey"


def read_file(path: Path) -> dict[str, Any]:
    """The keys and values in a file of JSON or YAML.

    Raises:
        ImportFailedError: there is no such file, or it is neither, or has no keys at its top.
    """
    try:
        return read_text(load_text(path), str(path))
    except ConfigError as error:
        problem = error.problems[0]
    where = f"{path}:{problem.line}" if problem.line else str(path)
    refuse(f"{where}: {problem.message}", problem.cure)


def read_text(text: str, file: str) -> dict[str, Any]:
    """Keys and values in a text of JSON or YAML; `file` is what messages call it.

    Raises:
        ImportFailedError: it is neither, or has no keys at its top.
        ConfigError: the YAML is malformed.
    """
    data = _json(text) if text.lstrip().startswith("{") else None
    if data is None:
        root = compose(text, file)
        data = None if root is None else _Unfold(file).value(root, 0)
    if not isinstance(data, dict) or not data:
        refuse(f"{file}: there are no keys and values in it", "give a configuration file")
    _sized(data, file)
    return data


def kind_of(data: dict[str, Any]) -> Kind:
    """Whose configuration this is, by its keys.

    Raises:
        ImportFailedError: nobody's, or both's.
    """
    litellm, portkey = not _LITELLM.isdisjoint(data), not _PORTKEY.isdisjoint(data)
    if litellm != portkey:
        return Kind.LITELLM if litellm else Kind.PORTKEY
    if not litellm and not _SLUICE.isdisjoint(data):
        refuse("this is a configuration of Sluice already", "check it with `sluice config check`")
    if litellm:
        refuse("this looks like both LiteLLM's and Portkey's configuration", "say which with --from")
    refuse(
        "this is neither LiteLLM's configuration (model_list, …) nor Portkey's (strategy, targets, …)",
        "give one of the two",
    )


def _json(text: str) -> dict[str, Any] | None:
    """JSON; None where it is not, as YAML may begin with a brace as well."""
    try:
        data = json.loads(text, parse_float=_decimal, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _decimal(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent of more digits than there are numbers
        return text


class _Unfold:
    """YAML's tree → plain data, aliases and merge keys followed. Later keys win, as they do for LiteLLM."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._scalars = yaml.constructor.SafeConstructor()
        self._left = _NODES

    def value(self, node: yaml.Node, depth: int) -> Any:  # noqa: ANN401 - YAML
        self._left -= 1
        if depth > _DEPTH or self._left < 0:
            self._endless()
        if isinstance(node, yaml.MappingNode):
            return {key: self.value(below, depth + 1) for key, below in self._pairs(node, depth).items()}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        return self._scalar(node)

    def _pairs(self, node: yaml.MappingNode, depth: int) -> dict[str, yaml.Node]:
        self._left -= len(node.value)
        if depth > _DEPTH or self._left < 0:
            self._endless()
        merged: dict[str, yaml.Node] = {}
        own: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                refuse(f"{self._file}:{line}: a key is a list or a section", "use a word as key")
            if key.tag == f"{_TAG}merge":
                sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for source in sources:
                    if isinstance(source, yaml.MappingNode):
                        merged = self._pairs(source, depth + 1) | merged
            else:
                own[str(key.value)] = value
        return merged | own

    def _scalar(self, node: yaml.Node) -> Any:  # noqa: ANN401 - YAML
        text, kind = str(node.value), node.tag.removeprefix(_TAG)
        if kind == "float" and ":" not in text:
            plain = text.replace("_", "").lower()
            return _decimal(plain) if plain.strip("+-.") not in {"inf", "nan"} else text
        if kind in {"null", "bool", "int"} and ":" not in text:
            try:
                return self._scalars.construct_object(node)
            except (ValueError, KeyError, yaml.YAMLError):
                return text
        return text

    def _endless(self) -> Never:
        refuse(
            f"{self._file}: anchors and aliases unfold into far too much, or nest too deeply",
            "write the values out",
        )


def _sized(data: Any, file: str) -> None:  # noqa: ANN401 - plain data
    """Refuse JSON that is as deep or as large as YAML must not be, and text that is no Unicode."""
    left, level = _NODES, [data]
    for _ in range(_DEPTH + 2):
        following: list[Any] = []
        for value in level:
            texts = list(value) if isinstance(value, dict) else [value] if isinstance(value, str) else []
            if any("\ud800" <= c <= "\udfff" for text in texts for c in text):
                refuse(f"{file}: a text holds half a character", "save the file as UTF-8")
            if isinstance(value, dict | list):
                following += value.values() if isinstance(value, dict) else value
        left -= len(level)
        if not following:
            return
        level = following
        if left < 0:
            break
    refuse(f"{file}: it is too large or nests too deeply", "import a smaller file")
