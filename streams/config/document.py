"""The text of sluice.yaml → plain data, and where in the file every value stands.

Composes the YAML tree, follows anchors, aliases and merge keys, fills in environment variables, and notes
what is wrong on the way. What the keys mean is not known here beyond the shapes it asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from streams.config import shapes
from streams.config.interpolation import InterpolationError, interpolate
from streams.config.problems import Loc, Problem, Severity, dotted, quoted
from streams.config.syntax import compose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.config.shapes import Shape

_DEPTH = 64
_REPEATS = 50_000
"""Most nodes that aliases may add: a few lines of nested aliases can stand for billions."""

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_TEXT_TAGS = {f"{_TAG}{name}" for name in ("str", "timestamp", "value")}
_SCALAR_TAGS = _TEXT_TAGS | {f"{_TAG}{name}" for name in ("bool", "int", "float", "null")}


class Position(NamedTuple):
    """A place in the file, both numbers from 1; 0 is nowhere."""

    line: int
    column: int


class Scalar(NamedTuple):
    """A value as it is written."""

    text: str
    kind: str
    """What YAML takes it for: str, bool, int, float or null."""
    interpolated: bool


@dataclass(slots=True)
class Document:
    """A configuration file as data."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    positions: dict[Loc, Position] = field(default_factory=lambda: {(): Position(0, 0)})
    """Where each key and each item of a list stands."""
    scalars: dict[Loc, Scalar] = field(default_factory=dict)
    """Values as written, secrets excepted."""
    empty: set[Loc] = field(default_factory=set)
    """Keys that have no value though they need one; they are left out of the data."""
    broken: set[Loc] = field(default_factory=set)
    """Values that a problem has been noted for already."""
    problems: list[Problem] = field(default_factory=list)

    def resolve(self, loc: Loc) -> Loc:
        """The part of a path that the file has."""
        found: Loc = ()
        for part in loc:
            if (*found, part) in self.positions:
                found = (*found, part)
        return found

    def problem(
        self, loc: Loc, message: str, cure: str, severity: Severity = Severity.ERROR, *, at: Loc | None = None
    ) -> Problem:
        """A problem with the key `loc`, on the line of `at` or else of the nearest that is there."""
        line, column = self.positions[self.resolve(loc if at is None else at)]
        return Problem(self.file, line, column, dotted(loc), message, cure, severity)


def read(text: str, file: str, environ: Mapping[str, str]) -> Document:
    """The document in a text.

    Raises:
        ConfigError: it is not YAML.
    """
    document = Document(file)
    root = compose(text, file)
    if root is None:
        return document
    document.positions[()] = _position(root)
    if not isinstance(root, yaml.MappingNode):
        known = ", ".join(shapes.keys(shapes.ROOT))
        document.problems.append(
            document.problem((), "the file does not consist of keys and values", f"begin with one of {known}")
        )
        return document
    try:
        document.data = _Reader(document, environ).mapping(root, (), shapes.ROOT)
    except _EndlessError as error:
        message = "anchors and aliases unfold into far too much, or nest too deeply"
        document.problems.append(document.problem(error.loc, message, "write the values out"))
        document.data = {}
        document.broken.add(())
    return document


class _EndlessError(Exception):
    def __init__(self, loc: Loc) -> None:
        super().__init__()
        self.loc = loc


class _Pair(NamedTuple):
    key: yaml.Node
    value: yaml.Node


class _Reader:
    """Walks the tree once and fills a document."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = environ
        self._scalars = yaml.constructor.SafeConstructor()
        self._seen: set[int] = set()
        self._repeats = 0

    def mapping(self, node: yaml.MappingNode, loc: Loc, expected: tuple[Shape, ...]) -> dict[str, Any]:
        """A section: keys with what is below them."""
        data: dict[str, Any] = {}
        for key, pair in self._pairs(node, loc, 0).items():
            if not loc and key.startswith("x-"):
                continue
            below = (*loc, key)
            self._document.positions[below] = _position(pair.key)
            inner = shapes.below(expected, key)
            value = self._value(pair.value, below, inner)
            if value is None and inner and not shapes.nullable(inner) and key in shapes.keys(expected):
                self._document.empty.add(below)  # as if it were not there: the default, or "has no value"
            else:
                data[key] = {} if value is None and _needs_keys(inner) else value
        return data

    def _value(self, node: yaml.Node, loc: Loc, expected: tuple[Shape, ...]) -> Any:  # noqa: ANN401 - YAML
        self._spend(node, loc)
        if not expected:
            return None  # an unknown key: named by pydantic, and nothing below it matters
        if shapes.secret(expected):
            return self._reference(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, loc, expected)
        if node.tag not in {f"{_TAG}map", f"{_TAG}seq"}:
            return self._refuse_tag(loc)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, loc, expected)
        return list(self._items(node, loc, expected))

    def _items(self, node: yaml.Node, loc: Loc, expected: tuple[Shape, ...]) -> Iterator[Any]:
        for index, item in enumerate(node.value):
            below = (*loc, index)
            self._document.positions[below] = _position(item)
            inner = shapes.below(expected, index)
            # Below a value that is no list where none belongs pydantic complains about the whole.
            value = self._value(item, below, inner) if inner else None
            yield {} if value is None and _needs_keys(inner) else value

    def _reference(self, node: yaml.Node) -> str | None:
        """What is written for a secret, untouched; the settings refuse all but a reference."""
        if not isinstance(node, yaml.ScalarNode):
            return ""
        return None if node.tag == f"{_TAG}null" else node.value

    def _scalar(self, node: yaml.ScalarNode, loc: Loc, expected: tuple[Shape, ...]) -> Any:  # noqa: ANN401 - YAML
        if node.tag not in _SCALAR_TAGS:
            return self._refuse_tag(loc)
        kind = "str" if node.tag in _TEXT_TAGS else node.tag.removeprefix(_TAG)
        written = str(node.value)
        if kind in {"int", "float"} and ":" in written:
            kind = "str"  # YAML 1.1 takes 12:30 for a number to the base of sixty
        self._document.scalars[loc] = Scalar(written, kind, "${" in written)
        if kind == "str":
            return self._text(written, loc, expected)
        if kind == "bool" and shapes.number(expected):
            return written  # pydantic would take `yes` for 1
        try:
            return self._scalars.construct_object(node)
        except (ValueError, KeyError, yaml.YAMLError):
            return written

    def _text(self, written: str, loc: Loc, expected: tuple[Shape, ...]) -> str | None:
        try:
            text = interpolate(written, self._environ)
        except InterpolationError as error:
            self._note(loc, error.message, error.cure)
            return written
        return None if not text and written and shapes.nullable(expected) else text

    def _pairs(self, node: yaml.MappingNode, loc: Loc, depth: int) -> dict[str, _Pair]:
        """Keys and values of a mapping, those that are merged in (`<<`) below those that are written."""
        if depth > _DEPTH:
            raise _EndlessError(loc)
        merged: dict[str, _Pair] = {}
        own: dict[str, _Pair] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._note(loc, "a key is a list or a section", "use a word as key", mark=key)
            elif key.tag == _MERGE:
                for name, pair in self._merged(value, loc, depth).items():
                    merged.setdefault(name, pair)
            elif key.value in own:
                first = own[key.value].key.start_mark.line + 1
                self._note(
                    (*loc, key.value), f"the key stands twice, first on line {first}", "keep one", mark=key
                )
            else:
                own[key.value] = _Pair(key, value)
        return merged | own

    def _merged(self, node: yaml.Node, loc: Loc, depth: int) -> dict[str, _Pair]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, _Pair] = {}
        for source in sources:
            self._spend(source, loc)
            if isinstance(source, yaml.MappingNode):
                for name, pair in self._pairs(source, loc, depth + 1).items():
                    merged.setdefault(name, pair)
            else:
                self._note(
                    loc, "`<<` takes the keys of a section, and this is none", "give it an alias", mark=source
                )
        return merged

    def _spend(self, node: yaml.Node, loc: Loc) -> None:
        """Count what aliases repeat.

        Raises:
            _EndlessError: too much.
        """
        if id(node) in self._seen:
            self._repeats += 1 + (len(node.value) if isinstance(node, yaml.CollectionNode) else 0)
        self._seen.add(id(node))
        if self._repeats > _REPEATS or len(loc) > _DEPTH:
            raise _EndlessError(loc[:1])

    def _refuse_tag(self, loc: Loc) -> None:
        self._note(loc, "a value begins with `!`, which YAML takes for a tag", "put text in quotes")

    def _note(self, loc: Loc, message: str, cure: str, *, mark: yaml.Node | None = None) -> None:
        problem = self._document.problem(loc, message, cure)
        if mark is not None:
            line, column = _position(mark)
            problem = Problem(problem.file, line, column, problem.key, message, cure)
        self._document.problems.append(problem)
        self._document.broken.add(loc)


def _needs_keys(expected: tuple[Shape, ...]) -> bool:
    """Whether nothing is an empty section here, so that the keys it lacks are named."""
    return bool(shapes.keys(expected)) and not shapes.nullable(expected)


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def shown(document: Document, loc: Loc) -> str:
    """A value for a message: as written, or where it comes from. Empty for what is not a single value."""
    scalar = document.scalars.get(loc)
    if scalar is None:
        return ""
    if scalar.interpolated:
        return f"the value of {quoted(scalar.text)}"
    return scalar.text if scalar.kind in {"int", "float"} else quoted(scalar.text)
