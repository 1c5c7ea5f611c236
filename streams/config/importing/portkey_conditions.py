"""Portkey's conditions → `when` of a rule, as far as a rule can say it.

Sluice does not look into metadata: what a condition asks of it, a tag says. `metadata.plan` equal to `paid` is
the tag `plan:paid`; `params.model` equal to `smartest` is the tag `smartest`.
Source: Portkey's documentation, "Conditional Routing", and its gateway's `conditionalRouter.ts`.
"""

from __future__ import annotations

from typing import Any, Never

from streams.config.importing.values import name_of

When = dict[str, Any]

_DEPTH = 8
_EQUAL, _NOT_EQUAL = {"$eq": False, "$in": True}, {"$ne": False, "$nin": True}


class InexpressibleError(Exception):
    """No `when` says this; the message says what."""


def when_of(query: Any, depth: int = 0) -> When:  # noqa: ANN401 - plain data
    """The conditions of a rule.

    Raises:
        InexpressibleError: rules cannot ask this.
    """
    if depth > _DEPTH:
        _cannot("it nests too deeply")
    if not isinstance(query, dict) or not query:
        _cannot("the condition is empty, or no condition")
    found: When = {}
    for key, value in query.items():
        if key in {"$and", "$or"}:
            parts = [when_of(part, depth + 1) for part in (value if isinstance(value, list) else [])]
            if not parts:
                _cannot(f"{key} without conditions")
            inner = _all(parts) if key == "$and" else parts[0] if len(parts) == 1 else {"any": parts}
            return _all([found, inner]) if found else inner  # what stands behind it, Portkey does not read
        found = _all([found, _compared(key, value)]) if found else _compared(key, value)
    return found


def tags_of(when: When) -> list[str]:
    """All tags that the conditions speak of."""
    below = [*when.get("any", []), *when.get("none", [])]
    return list(dict.fromkeys([*when.get("tags", []), *(tag for inner in below for tag in tags_of(inner))]))


def _compared(key: str, value: Any) -> When:  # noqa: ANN401 - plain data
    place, _, name = key.partition(".")
    if place == "metadata" and name:
        prefix = f"{name}:"
    elif key == "params.model":
        prefix = ""
    else:
        _cannot("rules ask for type, tenant, tags, language and length, not for this")
    operators = value if isinstance(value, dict) else {"$eq": value}
    found = [_operator(prefix, operator, wanted) for operator, wanted in operators.items()]
    if not found:
        _cannot("the condition is empty, or no condition")
    return _all(found)


def _operator(prefix: str, operator: str, wanted: Any) -> When:  # noqa: ANN401 - plain data
    if operator not in _EQUAL | _NOT_EQUAL:
        _cannot("rules know whether a tag is there; they do not compare or match patterns")
    several = (_EQUAL | _NOT_EQUAL)[operator]
    items = wanted if several and isinstance(wanted, list) else [wanted]
    names = [str(item).lower() if isinstance(item, bool) else name_of(item) for item in items]
    if not names or not all(names):
        _cannot("the value is no text")
    tags = {"tags": [f"{prefix}{name}"[:_LONGEST_TAG] for name in names]}
    return tags if operator in _EQUAL else {"none": [tags]}


_LONGEST_TAG = 256


def _all(parts: list[When]) -> When:
    """All of these hold."""
    found: When = {}
    for part in parts:
        found = _both(found, part)
    return found


def _both(one: When, other: When) -> When:
    """Both hold. A key that both use cannot be said twice, but below `any` with one item it can be said again."""
    both = other | one
    if "none" in one and "none" in other:
        both["none"] = [*one["none"], *other["none"]]
    again = {key: other[key] for key in one.keys() & other.keys() - {"none"}}
    if not again:
        return both
    if "any" not in both:
        return both | {"any": [again]}
    if len(both["any"]) == 1:
        return both | {"any": [_both(both["any"][0], again)]}
    return {"none": [{"none": [one]}, {"none": [other]}]}


def _cannot(what: str) -> Never:
    raise InexpressibleError(what)
