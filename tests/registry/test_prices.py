"""Prices come from the bundled catalogue; costs are exact in nano-dollars."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.config.price_catalogue import catalogue_prices, catalogue_version
from streams.config.settings import Prices
from streams.registry.prices import cost_nusd, usd
from topics.events import Usage

MINI = Prices(input_usd_per_mtok=0.15, output_usd_per_mtok=0.6, cached_input_usd_per_mtok=0.075)


@pytest.mark.parametrize("provider", ["openai", "OpenAI", "my-own-proxy"])
def test_a_model_is_found_by_provider_and_else_by_its_name(provider: str) -> None:
    assert catalogue_prices(provider, "gpt-4o-mini") == MINI


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "own-model"), ("own", ""), ("openai", "whisper-1")]
)
def test_what_has_no_price_for_tokens_has_none(provider: str, model: str) -> None:
    assert catalogue_prices(provider, model) is None


def test_prices_that_rise_with_the_prompt_are_the_base_tier() -> None:
    found = catalogue_prices("anthropic", "claude-sonnet-4-5")
    assert found is not None
    assert (found.input_usd_per_mtok, found.output_usd_per_mtok) == (3, 15)


def test_prices_that_depend_on_the_hour_are_the_dearest() -> None:
    for hour in (2, 20):
        found = catalogue_prices("deepseek", "deepseek-chat", at=datetime(2026, 6, 1, hour, tzinfo=UTC))
        assert found is not None
        assert (found.input_usd_per_mtok, found.output_usd_per_mtok) == (0.27, 1.1)


def test_prices_change_on_their_day() -> None:
    before = catalogue_prices("mistral", "mistral-small-latest", at=datetime(2026, 3, 15, tzinfo=UTC))
    after = catalogue_prices("mistral", "mistral-small-latest", at=datetime(2026, 3, 16, tzinfo=UTC))
    assert before is not None
    assert after is not None
    assert (before.input_usd_per_mtok, after.input_usd_per_mtok) == (0.1, 0.15)


def test_a_fee_for_each_call_is_found() -> None:
    found = catalogue_prices("perplexity", "sonar")
    assert found is not None
    assert cost_nusd(found, Usage()) == round(found.request_usd * 1e9) > 0


def test_the_catalogue_says_which_it_is() -> None:
    assert catalogue_version().startswith("genai-prices ")


def test_cached_tokens_are_part_of_the_input_and_cost_their_own_price() -> None:
    assert cost_nusd(MINI, Usage(input_tokens=1000, output_tokens=10)) == 1000 * 150 + 10 * 600
    assert cost_nusd(MINI, Usage(1000, 400, 10)) == 600 * 150 + 400 * 75 + 10 * 600
    without = MINI.model_copy(update={"cached_input_usd_per_mtok": None})
    assert cost_nusd(without, Usage(1000, 400, 10)) == cost_nusd(MINI, Usage(1000, 0, 10))


def test_halves_of_a_nano_dollar_are_rounded_up_once() -> None:
    prices = Prices(input_usd_per_mtok=0.0005, output_usd_per_mtok=0.0005)  # half a nano-dollar a token
    assert [cost_nusd(prices, Usage(tokens)) for tokens in (0, 1, 2, 3)] == [0, 1, 1, 2]
    assert cost_nusd(prices, Usage(1, 0, 1)) == 1


def test_many_calls_sum_to_the_cost_of_all_their_tokens() -> None:
    each = Usage(input_tokens=137, cached_input_tokens=29, output_tokens=53)
    total = sum(cost_nusd(MINI, each) for _ in range(100_000))
    assert total == 100_000 * ((137 - 29) * 150 + 29 * 75 + 53 * 600)
    assert usd(total) == pytest.approx(total / 1e9)


_PRICE = st.decimals(0, 10_000, places=4).map(float)
_TOKENS = st.integers(0, 10_000_000)


@hypothesis.settings(deadline=None)
@given(st.tuples(_PRICE, _PRICE, _PRICE), st.tuples(_TOKENS, _TOKENS, _TOKENS))
def test_a_cost_is_within_half_a_nano_dollar_of_the_exact_one(
    each: tuple[float, float, float], tokens: tuple[int, int, int]
) -> None:
    fresh, cached, output = tokens
    prices = Prices(
        input_usd_per_mtok=each[0], cached_input_usd_per_mtok=each[1], output_usd_per_mtok=each[2]
    )
    exact = sum(1000 * count * Fraction(str(price)) for count, price in zip(tokens, each, strict=True))
    error = cost_nusd(prices, Usage(fresh + cached, cached, output)) - exact
    assert -Fraction(1, 2) < error <= Fraction(1, 2)
