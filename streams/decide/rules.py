"""Rules: structured conditions on features, first match wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.config.settings import Rule, Span, When
    from topics.events import Features


def matches(when: When, features: Features) -> bool:
    """Whether all conditions that are given hold."""
    return (
        (when.type is None or features.type in when.type)
        and (when.tenant is None or features.tenant in when.tenant)
        and (when.tags is None or any(tag in when.tags for tag in features.tags))
        and (when.language is None or features.language in when.language)
        and (when.words is None or _within(when.words, features.words))
        and (when.tokens is None or _within(when.tokens, features.input_tokens))
        and (when.any is None or any(matches(one, features) for one in when.any))
        and (when.none is None or not any(matches(one, features) for one in when.none))
    )


def first_match(rules: tuple[Rule, ...], features: Features) -> int | None:
    """Index of the first rule that matches."""
    for index, rule in enumerate(rules):
        if matches(rule.when, features):
            return index
    return None


def asks_for_language(when: When) -> bool:
    """Whether the condition can only be judged with the task's language known."""
    nested = (*(when.any or ()), *(when.none or ()))
    return when.language is not None or any(asks_for_language(one) for one in nested)


def _within(span: Span, value: int) -> bool:
    return (span.min is None or value >= span.min) and (span.max is None or value <= span.max)
