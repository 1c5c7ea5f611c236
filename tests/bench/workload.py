"""The tasks, models and rules that every scenario is measured with. Deterministic: equal in every process."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import orjson

from streams.config.settings import Settings

PARTITIONS = 4
MODELS = 20
IN_FLIGHT = 64
"""Calls at once, in every scenario with calls."""

_TEXT = (
    "the customer asks whether invoice payment was received before delivery and how soon a refund can be "
    "expected since order number shipped from warehouse without its manual please summarise answer politely "
    "explain why contract clause allows notice period check attached table compute total compare both offers"
)
_TYPES = ("support", "extraction", "code", "summary", "qa")
_TENANTS = ("acme", "globex", "initech", "umbrella")
_TIERS = ("efficient",) * 8 + ("standard",) * 7 + ("premium",) * 5

RULES: tuple[dict[str, Any], ...] = (
    {"name": "extraction is easy", "when": {"type": "extraction"}, "use": {"tiers": ["efficient"]}},
    {
        "name": "contracts of acme",
        "when": {"tenant": "acme", "tags": ["legal"]},
        "use": {"tiers": ["premium"]},
    },
    {"name": "long texts", "when": {"tokens": {"min": 400}}, "use": {"tiers": ["standard", "premium"]}},
    {
        "name": "code",
        "when": {"any": [{"type": "code"}, {"tags": ["code"]}], "none": [{"words": {"max": 30}}]},
        "use": {"tiers": ["standard"]},
    },
    {
        "name": "short questions",
        "when": {"type": "qa", "words": {"max": 80}},
        "use": {"tiers": ["efficient"]},
    },
)
LANGUAGE_RULE: dict[str, Any] = {
    "name": "not English",
    "when": {"language": ["fr", "de", "es"]},
    "use": {"tiers": ["standard"]},
}


@cache
def tasks(count: int) -> tuple[bytes, ...]:
    """Values of `task.submitted`: 40 to 380 words, a third with a system message, all with a type and a tenant.

    Three in ten demand something that excludes models.
    """
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret
    return tuple(orjson.dumps(_task(chance)) for _ in range(count))


def _task(chance: random.Random) -> dict[str, Any]:
    text = " ".join(chance.choices(_TEXT.split(), k=chance.randint(40, 380)))
    messages = [{"role": "user", "content": text}]
    if chance.random() < 1 / 3:
        messages.insert(0, {"role": "system", "content": "You answer briefly and name your sources."})
    task: dict[str, Any] = {
        "messages": messages,
        "type": chance.choice(_TYPES),
        "tenant": chance.choice(_TENANTS),
        "metadata": {"ticket": chance.randint(1, 10**9)},
    }
    if chance.random() < 0.3:
        task["tags"] = [chance.choice(("legal", "code", "urgent"))]
    if chance.random() < 0.5:
        task["max_tokens"] = chance.choice((128, 256, 512))
    if chance.random() < 0.3:
        task["requirements"] = chance.choice(
            ({"max_cost_usd": 0.002}, {"capabilities": ["vision"]}, {"min_quality": 0.8})
        )
    return task


def models() -> list[dict[str, Any]]:
    """Twenty models at one provider, all prices different; some cannot do all there is."""
    return [
        {
            "name": f"model-{index:02}",
            "provider": "local",
            "tier": tier,
            "prices": {
                "input_usd_per_mtok": round(0.05 * 1.35**index, 4),
                "output_usd_per_mtok": round(0.2 * 1.35**index, 4),
            },
            "capabilities": ["tools", "json"] if index % 3 else ["json", "vision"],
            "max_output_tokens": 4096 if index % 2 else 8192,
            "max_concurrency": IN_FLIGHT,
        }
        for index, tier in enumerate(_TIERS)
    ]


def settings(
    *,
    bootstrap: str = "127.0.0.1:9",
    prefix: str = "bench",
    idempotent: bool = True,
    provider_url: str = "http://127.0.0.1:9/v1",
    with_language: bool = False,
    **router: Any,
) -> Settings:
    """A whole configuration; what is not said here is the default."""
    rules = (*RULES, LANGUAGE_RULE) if with_language else RULES
    return Settings.model_validate(
        {
            "kafka": {
                "brokers": bootstrap,
                "prefix": prefix,
                "partitions": PARTITIONS,
                "idempotence": idempotent,
            },
            "providers": {"local": {"base_url": provider_url}},
            "models": models(),
            "policy": {"rules": list(rules)},
            "router": {"http_port": 0, **router},
        }
    )
