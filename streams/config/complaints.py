"""What pydantic says about the settings, as sentences with a cure. Values of secrets are never repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from streams.config import shapes
from streams.config.document import shown
from streams.config.problems import did_you_mean, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import ErrorDetails

    from streams.config.document import Document
    from streams.config.problems import Loc, Problem
    from streams.config.shapes import Shape

Sentence = tuple[str, str]
"""Message and cure."""


class _Fault(NamedTuple):
    """One of pydantic's errors and all that is known about its place."""

    loc: Loc
    kind: str
    context: dict[str, Any]
    expected: tuple[Shape, ...]
    document: Document

    @property
    def what(self) -> str:
        """The value as subject of a sentence."""
        return shown(self.document, self.loc) or "this"

    @property
    def give(self) -> str:
        return f"give {shapes.phrase(self.expected)}"


def complaint(error: ErrorDetails, document: Document) -> Problem:
    """One error as a problem at its line."""
    loc = document.resolve(error["loc"])
    if error["type"] == "missing":
        return _missing((*document.resolve(error["loc"][:-1]), error["loc"][-1]), document)
    fault = _Fault(loc, error["type"], error.get("ctx", {}), shapes.at(loc), document)
    message, cure = _sentence(fault)
    return document.problem(loc, message, cure)


def _missing(loc: Loc, document: Document) -> Problem:
    wanted = shapes.phrase(shapes.at(loc))
    meaning = shapes.meaning(loc)
    if meaning:
        wanted += f" ({meaning})"
    if loc in document.empty:
        return document.problem(loc, "has no value", f"give {wanted}")
    return document.problem(loc, "is missing", f"add it: {wanted}", at=loc[:-1])


def _sentence(fault: _Fault) -> Sentence:
    known = _SENTENCES.get(fault.kind)
    if known is not None:
        return known(fault)
    if fault.kind.endswith("_type") or "_parsing" in fault.kind or fault.kind.startswith("int_from"):
        return _wrong_type(fault)
    return f"{fault.what} is not accepted here", fault.give


def _unknown_key(fault: _Fault) -> Sentence:
    key = str(fault.loc[-1])
    names = shapes.keys(shapes.at(fault.loc[:-1]))
    return f"unknown key {quoted(key)}", did_you_mean(key, names)


def _own(fault: _Fault) -> Sentence:
    """A complaint that the settings make themselves: `message; cure`, and never a value."""
    message, _, cure = str(fault.context.get("error", "")).partition("; ")
    return message, cure


def _choice(fault: _Fault) -> Sentence:
    scalar = fault.document.scalars.get(fault.loc)
    choices = [choice for shape in _leaves(fault.expected) for choice in shape.choices]
    word = scalar.text if scalar else ""
    return f"{fault.what} is not one of the choices", did_you_mean(word, choices)


def _leaves(expected: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """Where one value may stand for a list of them, the complaint about the item meets the list."""
    return (*expected, *shapes.below(expected, 0))


def _wrong_text(fault: _Fault) -> Sentence:
    """Something else than text where text belongs: mostly YAML's idea of what a word means."""
    scalar = fault.document.scalars.get(fault.loc)
    if scalar is None or scalar.kind == "str":
        return _wrong_type(fault)
    if scalar.kind == "null":
        return "there is no value", fault.give
    if scalar.kind == "bool":
        true = scalar.text.lower() in {"yes", "true", "on"}
        message = f"YAML takes {scalar.text} for {'true' if true else 'false'}, not for text"
    else:
        message = f"YAML takes {scalar.text} for a number, not for text"
    return message, f"write it in quotes: {quoted(scalar.text)}"


def _wrong_list(fault: _Fault) -> Sentence:
    scalar = fault.document.scalars.get(fault.loc)
    if scalar is not None and scalar.kind in {"bool", "int", "float"}:
        items = shapes.below(fault.expected, 0)
        if any(item.type is str for item in items):
            return _wrong_text(fault)
    return _wrong_type(fault)


def _wrong_type(fault: _Fault) -> Sentence:
    value = shown(fault.document, fault.loc)
    kinds = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "string": "text",
        "tuple": "a list",
        "list": "a list",
        "model": "a section",
        "dict": "a section",
        "path": "a path",
    }
    kind = kinds.get(fault.kind.split("_")[0], "what belongs here")
    sections = [shape for shape in fault.expected if shape.section]
    cure = f"give a section; {_keys(sections)}" if sections else fault.give
    # A word where a whole section belongs may be a key that slipped: it is not repeated.
    if not value or kind == "a section":
        return f"this is not {kind}", cure
    return f"{value} is not {kind}", cure


def _keys(sections: list[Shape]) -> str:
    return "known keys: " + ", ".join(shapes.keys(sections))


def _range(fault: _Fault) -> Sentence:
    low = fault.kind.startswith("greater")
    return f"{fault.what} is too {'small' if low else 'large'}", fault.give


def _length(fault: _Fault) -> Sentence:
    if fault.kind == "too_short":
        return "the list is empty", "give at least one, or leave the key out"
    if fault.kind == "string_too_short":
        return "there is no text", fault.give
    return "this is too long", fault.give


def _pattern(fault: _Fault) -> Sentence:
    return (
        f"{fault.what} has characters that are not allowed here",
        f"it must match {fault.context['pattern']}",
    )


def _not_finite(fault: _Fault) -> Sentence:
    return f"{fault.what} is not a finite number", fault.give


_SENTENCES: dict[str, Callable[[_Fault], Sentence]] = {
    "extra_forbidden": _unknown_key,
    "value_error": _own,
    "literal_error": _choice,
    "enum": _choice,
    "union_tag_invalid": _choice,
    "string_type": _wrong_text,
    "tuple_type": _wrong_list,
    "list_type": _wrong_list,
    "greater_than": _range,
    "greater_than_equal": _range,
    "less_than": _range,
    "less_than_equal": _range,
    "too_short": _length,
    "too_long": _length,
    "string_too_short": _length,
    "string_too_long": _length,
    "string_pattern_mismatch": _pattern,
    "finite_number": _not_finite,
}
