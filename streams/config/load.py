"""sluice.yaml → `Settings`, or everything that is wrong with it at once.

Puts the steps together: text, tree, data (`document`), types (pydantic, reworded by `complaints`), meaning
(`check`). Where a type is wrong the meaning of the rest is still checked: what is faulty is set aside, the
rest is judged, and only then the problems are raised together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from streams.config.check import Places, check
from streams.config.complaints import complaint
from streams.config.document import Document, read
from streams.config.problems import ConfigError, Problem, Severity, in_file_order
from streams.config.settings import Model, Settings, Tier
from streams.config.syntax import load_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_core import ErrorDetails

    from streams.config.problems import Loc

DEFAULT_FILE = Path("sluice.yaml")

_RULES = ("policy", "rules")

_STAND_INS: dict[str, Any] = {"when": {}, "use": {"tiers": [tier.value for tier in Tier]}}
"""What takes the place of a rule's part that is set aside, so that the other can be checked."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used."""

    settings: Settings
    warnings: tuple[Problem, ...]
    file: Path | None
    """Where it was read from; None where all is default."""


def load_settings(path: Path | None, *, environ: Mapping[str, str], require_models: bool = False) -> Settings:
    """The settings in a file; `None` is `sluice.yaml` in the current directory, or all defaults without one.

    Args:
        path: the file.
        environ: environment variables, for `${NAME}`.
        require_models: it is an error when there are no models.

    Raises:
        ConfigError: it has mistakes; all of them.
    """
    return load(path, environ=environ, require_models=require_models).settings


def load(path: Path | None, *, environ: Mapping[str, str], require_models: bool = False) -> Loaded:
    """Like `load_settings`, with the warnings.

    Raises:
        ConfigError: see there.
    """
    file = path or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    text = load_text(file) if file else ""
    settings, warnings = parse(
        text, str(file or DEFAULT_FILE), environ=environ, require_models=require_models
    )
    return Loaded(settings, warnings, file)


def parse(
    text: str, file: str, *, environ: Mapping[str, str], require_models: bool = False
) -> tuple[Settings, tuple[Problem, ...]]:
    """Settings and warnings from text; `file` is what problems call it.

    Raises:
        ConfigError: see `load_settings`.
    """
    document = read(text, file, environ)
    settings, errors = _validate(document.data)
    problems = [*document.problems, *_complaints(errors, document)]
    places = Places(document)
    partial: Settings | None = settings
    if problems:
        faulty = [*map(document.resolve, (error["loc"] for error in errors)), *document.broken]
        partial, places = _without(document, faulty)
    if partial is not None and () not in document.broken:
        problems += check(partial, environ=environ, require_models=require_models, places=places)
    if settings is None or any(problem.severity is Severity.ERROR for problem in problems):
        raise ConfigError(problems)
    return settings, in_file_order(problems)


def _validate(data: Mapping[str, Any]) -> tuple[Settings | None, list[ErrorDetails]]:
    """Settings or errors; never the exception itself, which holds the values."""
    try:
        return Settings.model_validate(data), []
    except ValidationError as error:
        return None, error.errors(include_url=False, include_input=False)


def _complaints(errors: Iterable[ErrorDetails], document: Document) -> list[Problem]:
    """Without those about values that a problem has been noted for already."""
    return [
        complaint(error, document)
        for error in errors
        if error["type"] == "missing"
        or not (document.resolve(error["loc"]) in document.broken or _follows(error, document))
    ]


def _follows(error: ErrorDetails, document: Document) -> bool:
    """Whether a list is "empty" only because its items were refused."""
    loc = document.resolve(error["loc"])
    return error["type"] == "too_short" and (loc in document.scalars or (*loc, 0) in document.positions)


def _without(document: Document, faulty: Iterable[Loc]) -> tuple[Settings | None, Places]:
    """The settings without what is faulty; None where the rest cannot stand alone."""
    aside = {_entry(loc) for loc in faulty}
    kept: dict[Loc, tuple[int, ...]] = {}

    def copy(value: Any, loc: Loc) -> Any:  # noqa: ANN401 - plain data
        if loc in aside and _stands_in(loc):
            return _STAND_INS[str(loc[-1])]
        if isinstance(value, dict):
            return {key: copy(below, (*loc, key)) for key, below in value.items() if stays((*loc, key))}
        if isinstance(value, list):
            kept[loc] = tuple(index for index in range(len(value)) if stays((*loc, index)))
            return [copy(value[index], (*loc, index)) for index in kept[loc]]
        return value

    def stays(loc: Loc) -> bool:
        return loc not in aside or _stands_in(loc)

    settings, _ = _validate(copy(document.data, ()))
    return settings, Places(document, kept=kept, aside=frozenset(aside))


def _stands_in(loc: Loc) -> bool:
    return len(loc) == len((*_RULES, 0, "when")) and loc[:2] == _RULES


def _entry(loc: Loc) -> Loc:
    """The least that can be set aside for a fault without making another."""
    if loc[:1] == ("models",) and len(loc) > len(("models", 0)):
        field = Model.model_fields.get(str(loc[2]))
        return loc[:2] if field is not None and field.is_required() else loc[:3]
    if loc[:2] == _RULES and len(loc) > len((*_RULES, 0)):
        return loc[:4] if loc[3] in _STAND_INS else loc[:3]
    return loc[:2]
