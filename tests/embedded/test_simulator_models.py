"""Simulated models: the packaged ones, those from a file, and the way to sluice.yaml."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from streams.config.settings import Model, Provider
from streams.embedded.simulator import (
    ModelsFileError,
    Prices,
    SimulatedModel,
    as_settings,
    default_models,
    load_models,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_six_models_are_packaged_two_in_each_tier_and_dearer_by_tier() -> None:
    models = default_models()

    assert Counter(model.tier for model in models) == {"efficient": 2, "standard": 2, "premium": 2}
    price = {model.name: model.prices.output_usd_per_mtok for model in models if model.prices}
    assert list(price.values()) == [0.60, 4.0, 8.0, 10.0, 15.0, 75.0]


def test_cached_input_has_its_own_price() -> None:
    prices = Prices(
        input_usd_per_mtok=2.0, output_usd_per_mtok=8.0, cached_input_usd_per_mtok=0.5, request_usd=0.001
    )

    assert prices.cost_nusd(1_000, 400, 100) == 1_200_000 + 200_000 + 800_000 + 1_000_000


def test_models_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(
        "models:\n"
        "  - name: small\n"
        "    tier: efficient\n"
        "    prices: {input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.4}\n"
        "    rpm: 60\n"
        "  - name: large\n"
    )

    small, large = load_models(path)

    assert (small.name, small.tier, small.rpm) == ("small", "efficient", 60)
    assert small.prices == Prices(input_usd_per_mtok=0.1, output_usd_per_mtok=0.4)
    assert large == SimulatedModel(name="large")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: []", "no models"),
        ("a: [", "not YAML"),
        ("- 5", r"models\[0\]: not a mapping"),
        ("- {name: a, colour: red}", r"models\[0\]: unknown colour; known are name"),
        ("- {name: a, prices: {input: 1}}", r"models\[0\].prices: unknown input"),
        ("- {name: a, error_rate: 2}", "error_rate must be between 0 and 1"),
        ("- {name: a, rpm: lots}", "rpm"),
        ("- {tier: premium}", "name"),
        ("- {name: a}\n- {name: a}", "names a model twice: a"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(text)

    with pytest.raises(ModelsFileError, match=told):
        load_models(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelsFileError, match=r"gone\.yaml"):
        load_models(tmp_path / "gone.yaml")


def test_models_can_be_pasted_into_sluice_yaml() -> None:
    settings = as_settings(default_models(), "http://127.0.0.1:8099/v1")

    provider = Provider.model_validate(settings["providers"]["simulated"])
    models = [Model.model_validate(entry) for entry in settings["models"]]

    assert provider.base_url == "http://127.0.0.1:8099/v1"
    assert [model.name for model in models] == [model.name for model in default_models()]
    assert models[0].prices is not None
    assert models[0].prices.cached_input_usd_per_mtok == 0.075
