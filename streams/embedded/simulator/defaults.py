"""The packaged models: six well-known ones at their public list prices of 2025, two in each tier.

Speeds and qualities are plausible, not measured; limits are those of a mid-sized customer.
"""

from __future__ import annotations

from streams.embedded.simulator.models import Prices, SimulatedModel


def default_models() -> tuple[SimulatedModel, ...]:
    """The six, cheapest tier first."""
    return _DEFAULTS


def _usd(per_input: float, per_output: float, per_cached_input: float) -> Prices:
    return Prices(
        input_usd_per_mtok=per_input,
        output_usd_per_mtok=per_output,
        cached_input_usd_per_mtok=per_cached_input,
    )


_DEFAULTS = (
    SimulatedModel(
        name="gpt-4o-mini",
        provider="openai",
        tier="efficient",
        prices=_usd(0.15, 0.60, 0.075),
        ttft_s=0.35,
        ttft_sigma=0.35,
        tokens_per_s=95,
        quality=0.72,
        rpm=10_000,
        tpm=10_000_000,
        context_window=128_000,
    ),
    SimulatedModel(
        name="claude-3-5-haiku",
        provider="anthropic",
        tier="efficient",
        prices=_usd(0.80, 4.0, 0.08),
        ttft_s=0.55,
        ttft_sigma=0.35,
        tokens_per_s=65,
        quality=0.75,
        rpm=4_000,
        tpm=4_000_000,
        context_window=200_000,
        max_output_tokens=8_192,
    ),
    SimulatedModel(
        name="gpt-4.1",
        provider="openai",
        tier="standard",
        prices=_usd(2.0, 8.0, 0.50),
        ttft_s=0.50,
        ttft_sigma=0.35,
        tokens_per_s=80,
        quality=0.86,
        rpm=10_000,
        tpm=2_000_000,
        context_window=1_047_576,
        max_output_tokens=32_768,
    ),
    SimulatedModel(
        name="gemini-2.5-pro",
        provider="google",
        tier="standard",
        prices=_usd(1.25, 10.0, 0.125),
        ttft_s=0.90,
        ttft_sigma=0.40,
        tokens_per_s=110,
        quality=0.87,
        rpm=2_000,
        tpm=8_000_000,
        context_window=1_048_576,
        max_output_tokens=65_536,
    ),
    SimulatedModel(
        name="claude-sonnet-4-5",
        provider="anthropic",
        tier="premium",
        prices=_usd(3.0, 15.0, 0.30),
        ttft_s=0.90,
        ttft_sigma=0.35,
        tokens_per_s=70,
        quality=0.93,
        rpm=4_000,
        tpm=4_000_000,
        context_window=200_000,
        max_output_tokens=64_000,
    ),
    SimulatedModel(
        name="claude-opus-4-1",
        provider="anthropic",
        tier="premium",
        prices=_usd(15.0, 75.0, 1.50),
        ttft_s=1.40,
        ttft_sigma=0.35,
        tokens_per_s=45,
        quality=0.95,
        rpm=4_000,
        tpm=4_000_000,
        context_window=200_000,
        max_output_tokens=32_000,
    ),
)
