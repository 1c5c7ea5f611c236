from __future__ import annotations

from typing import Any

import msgspec
import pytest

from streams.decide.features import detect_language, estimate_tokens, measure, understand
from topics.events import Features, Task


def features(**task: Any) -> Features:
    content = {"prompt": "Hello there", **task}
    if "messages" in task:
        del content["prompt"]
    return understand(msgspec.convert(content, Task), default_max_tokens=1_000, with_language=False)


def test_what_the_producer_did_not_declare_is_said_to_be_inferred() -> None:
    assert features().inferred == ("type", "tenant", "max_tokens")
    assert features(type="sql", tenant="growth", max_tokens=5).inferred == ()


def test_needed_capabilities_follow_from_the_task() -> None:
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}
    assert features(tools=[{"type": "function"}]).capabilities == ("tools",)
    assert features(messages=[image]).capabilities == ("vision",)
    assert features(response_format={"type": "json_object"}).capabilities == ("json",)
    assert features(messages=[image]).input_tokens > 1_000


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("The quick brown fox jumps over the lazy dog.", 9, 13), ("敏捷的棕色狐狸跳过懒狗", 8, 16), ("", 0, 0)],
)
def test_tokens_are_estimated_within_reason(text: str, low: int, high: int) -> None:
    assert low <= estimate_tokens(text) <= high


def test_words_are_counted_where_scripts_do_not_separate_them() -> None:
    assert measure(" one two\n three ")[1] == 3
    assert measure("請總結第三季度的報告")[1] == 5


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Please summarise the quarterly report for the board.", "en"),
        ("Por favor, resume el informe trimestral para la dirección.", "es"),
        ("Bitte fasse den Quartalsbericht für den Vorstand zusammen.", "de"),
        ("Veuillez résumer le rapport trimestriel pour la direction.", "fr"),
        ("请为董事会总结这份季度报告。", "zh"),
        ("取締役会向けに四半期報告書を要約してください。", "ja"),
        ("कृपया बोर्ड के लिए तिमाही रिपोर्ट का सारांश दें।", "hi"),
        ("يرجى تلخيص التقرير الفصلي لمجلس الإدارة.", "ar"),
    ],
)
def test_languages_are_told_apart(text: str, language: str) -> None:
    assert detect_language(text) == language
