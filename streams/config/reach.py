"""Whether one rule's conditions take in all of another's.

Conservative: what it calls implied is implied; what it does not may still be. So every rule that is reported
as unreachable is, and some that are unreachable for deeper reasons are not reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.config.settings import Span, When

Values = tuple[str, ...] | None


def is_empty(when: When) -> bool:
    """Whether it matches every task."""
    return when.model_dump(exclude_none=True) == {}


def implies(narrow: When, wide: When) -> bool:
    """Whether every task that `narrow` matches is matched by `wide`."""
    needed: list[Callable[[When], bool]] = [
        lambda known: _among(known.type, wide.type),
        lambda known: _among(known.tenant, wide.tenant),
        lambda known: _among(known.tags, wide.tags),
        lambda known: _among(known.language, wide.language),
        lambda known: _within(known.words, wide.words),
        lambda known: _within(known.tokens, wide.tokens),
        lambda known: wide.any is None or any(implies(known, one) for one in wide.any),
        lambda known: all(_excluded(one, known) for one in wide.none or ()),
    ]
    return all(_known(narrow, condition) for condition in needed)


def _known(narrow: When, condition: Callable[[When], bool]) -> bool:
    """Whether a condition follows from what is said outright, or from every alternative of `any`."""
    return condition(narrow) or (narrow.any is not None and all(_known(one, condition) for one in narrow.any))


def _excluded(one: When, known: When) -> bool:
    """Whether what must not hold cannot: something that it implies is excluded already."""
    return any(implies(one, excluded) for excluded in known.none or ())


def _among(narrow: Values, wide: Values) -> bool:
    return wide is None or (narrow is not None and set(narrow) <= set(wide))


def _within(narrow: Span | None, wide: Span | None) -> bool:
    if wide is None:
        return True
    low, high = (narrow.min, narrow.max) if narrow is not None else (None, None)
    above = not wide.min or (low is not None and low >= wide.min)
    below = wide.max is None or (high is not None and high <= wide.max)
    return above and below
