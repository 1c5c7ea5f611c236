"""What kind of value belongs at a place of sluice.yaml, read off the settings' types.

The loader asks before pydantic does (is this a secret? may it be empty?); complaints, the reference and the
schema use the same words for the same type.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types as limits
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from streams.config.secrets import SecretRef
from streams.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.config.problems import Loc


@dataclass(frozen=True, slots=True)
class Shape:
    """One type that a value may have, with its limits."""

    type: Any
    limits: tuple[Any, ...] = ()

    @property
    def section(self) -> type[BaseModel] | None:
        """The settings class, where the value is a section with fixed keys."""
        return self.type if isinstance(self.type, type) and issubclass(self.type, BaseModel) else None

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that are allowed, where only some are."""
        if get_origin(self.type) is Literal:
            return tuple(map(str, get_args(self.type)))
        if isinstance(self.type, type) and issubclass(self.type, Enum):
            return tuple(str(member.value) for member in self.type)
        return ()

    def below(self, part: str | int) -> tuple[Shape, ...]:
        """Shapes of what is under a key or at a list position; empty where nothing may be."""
        origin, arguments = get_origin(self.type), get_args(self.type)
        if isinstance(part, int):
            return of(arguments[0]) if origin in (tuple, list) else ()
        if origin is dict:
            return of(arguments[1])
        if self.section and part in self.section.model_fields:
            return of_field(self.section.model_fields[part])
        return ()

    def __str__(self) -> str:
        return _phrase(self)


def of(annotation: Any) -> tuple[Shape, ...]:  # noqa: ANN401 - any annotation
    """All shapes that an annotation allows, None among them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        return tuple(Shape(each.type, (*each.limits, *_flat(metadata))) for each in of(inner))
    if origin in (Union, UnionType):
        return tuple(shape for argument in get_args(annotation) for shape in of(argument))
    return (Shape(annotation),)


def of_field(field: FieldInfo) -> tuple[Shape, ...]:
    """All shapes that a key of a section may have."""
    return tuple(Shape(each.type, (*each.limits, *_flat(field.metadata))) for each in of(field.annotation))


ROOT = of(Settings)


def at(loc: Loc) -> tuple[Shape, ...]:
    """Shapes of what may stand at a place of sluice.yaml; empty where nothing may."""
    shapes = ROOT
    for part in loc:
        shapes = below(shapes, part)
    return shapes


def meaning(loc: Loc) -> str:
    """A key's description as part of a sentence; empty for what has none."""
    for shape in at(loc[:-1]):
        found = shape.section.model_fields.get(str(loc[-1])) if shape.section else None
        if found is not None and found.description:
            text = str(found.description).rstrip(".")
            return text if text[1:2].isupper() else text[:1].lower() + text[1:]
    return ""


def below(shapes: Iterable[Shape], part: str | int) -> tuple[Shape, ...]:
    """Like `Shape.below`, for any of them."""
    return tuple(inner for shape in shapes for inner in shape.below(part))


def keys(shapes: Iterable[Shape]) -> tuple[str, ...]:
    """Keys that a section may have."""
    return tuple(key for shape in shapes if shape.section for key in shape.section.model_fields)


def sections() -> dict[str, type[BaseModel]]:
    """Every kind of section by the first path where it stands, like `models[].prices`; the file by none."""
    found: dict[str, type[BaseModel]] = {}
    _collect(Settings, "", found)
    return found


def _collect(section: type[BaseModel], path: str, found: dict[str, type[BaseModel]]) -> None:
    if section in found.values():
        return
    found[path] = section
    for key, field in section.model_fields.items():
        own, where = of_field(field), f"{path}.{key}".lstrip(".")
        inner = ((where, own), (f"{where}[]", below(own, 0)), (f"{where}.<name>", _entries(own)))
        for place, shapes in inner:
            for shape in shapes:
                if shape.section:
                    _collect(shape.section, place, found)


def _entries(shapes: Iterable[Shape]) -> tuple[Shape, ...]:
    return tuple(
        inner for shape in shapes if get_origin(shape.type) is dict for inner in shape.below("<name>")
    )


def nullable(shapes: Iterable[Shape]) -> bool:
    """Whether the key may be there without a value."""
    return any(shape.type in (None, NoneType) for shape in shapes)


def secret(shapes: Iterable[Shape]) -> bool:
    """Whether it is a secret."""
    return any(shape.type is SecretRef for shape in shapes)


def number(shapes: Iterable[Shape]) -> bool:
    """Whether it is a number and cannot be true or false."""
    types = {shape.type for shape in shapes}
    return bool(types & {int, float}) and bool not in types


def phrase(shapes: Iterable[Shape]) -> str:
    """In words: `a whole number from 1 to 1024`."""
    return " or ".join(dict.fromkeys(str(shape) for shape in shapes if shape.type not in (None, NoneType)))


def _flat(metadata: Iterable[Any]) -> list[Any]:
    return [one for each in metadata for one in (each.metadata if isinstance(each, FieldInfo) else [each])]


def _phrase(shape: Shape) -> str:
    if shape.choices:
        return "one of " + ", ".join(shape.choices)
    if shape.section:
        return "a section"
    origin = get_origin(shape.type)
    if origin is dict:
        return "a section with names of your own as keys"
    if origin in (tuple, list):
        inner = phrase(of(get_args(shape.type)[0]))
        either = any(isinstance(limit, BeforeValidator) for limit in shape.limits)
        return f"{inner}, or a list of them" if either else f"a list, each {inner}"
    plain = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}
    named = {str: "text", SecretRef: "a reference to an environment variable, like ${NAME}"}
    return (plain | named).get(shape.type, "a value") + _range(shape.limits)


def _range(bounds: tuple[Any, ...]) -> str:
    """` from 1 to 1024`, ` above 0, at most 60`, ` of at least 1`; empty without limits."""
    low = next((b.ge for b in bounds if isinstance(b, limits.Ge)), None)
    above = next((b.gt for b in bounds if isinstance(b, limits.Gt)), None)
    high = next((b.le for b in bounds if isinstance(b, limits.Le)), None)
    shortest = next((b.min_length for b in bounds if isinstance(b, limits.MinLen)), None)
    longest = next((b.max_length for b in bounds if isinstance(b, limits.MaxLen)), None)
    if longest is not None:
        return f" of {shortest or 0} to {longest} characters"
    if low is not None:
        return f" of at least {low}" if high is None else f" from {low} to {high}"
    if above is not None:
        return f" above {above}" if high is None else f" above {above}, at most {high}"
    return ""
