"""Policies, registries and tasks for the tests of deciding."""

from __future__ import annotations

from typing import Any

import msgspec

from streams.config.settings import Model, Policy, Prices
from streams.decide import CompiledPolicy, Submission
from streams.registry import Registry
from topics.events import Task

NOW = 1_750_000_000.0


def model(name: str, price: float, tier: str = "standard", **changes: Any) -> Model:
    return Model.model_validate(
        {
            "name": name,
            "provider": "p",
            "tier": tier,
            "prices": Prices(input_usd_per_mtok=price, output_usd_per_mtok=price),
            **changes,
        }
    )


SMALL = model("small", 1, "efficient")
MIDDLE = model("middle", 2, "standard")
LARGE = model("large", 10, "premium", region="eu", capabilities=("tools", "json", "vision"))
MODELS = (LARGE, SMALL, MIDDLE)


def compiled(*models: Model, **policy: Any) -> CompiledPolicy:
    return CompiledPolicy.of(Policy.model_validate(policy), Registry.of(models or MODELS, {}))


def submission(number: int = 0, **task: Any) -> Submission:
    content = {"prompt": "Summarise the report.", **task}
    if "messages" in task:
        del content["prompt"]
    return Submission(msgspec.convert(content, Task), f"task-{number}", f"tasks:0:{number}", NOW)
