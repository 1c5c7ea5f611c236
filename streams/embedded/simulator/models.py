"""The simulated models: how each behaves and what it costs, from code or from YAML.

Owns the description and its validation. It does not answer anything; the engine does.
The fields that sluice.yaml has too are named as there, so one list of models can serve both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
import yaml

from streams.embedded.simulator.errors import ModelsFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

NUSD_PER_USD = 1_000_000_000
ANY_KEY = "*"


def _within(value: float, low: float, high: float, what: str) -> None:
    if not low <= value <= high:
        message = f"{what} must be between {low:g} and {high:g}, not {value:g}"
        raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """List prices in USD for one million tokens."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float
    cached_input_usd_per_mtok: float | None = None
    """Without it the price of input tokens."""
    request_usd: float = 0.0
    """Fee of one call."""

    def __post_init__(self) -> None:
        """Refuse negative prices."""
        for name in ("input_usd_per_mtok", "output_usd_per_mtok", "cached_input_usd_per_mtok", "request_usd"):
            _within(getattr(self, name) or 0.0, 0.0, 10_000.0, name)

    def cost_nusd(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        """What a call costs in nano-dollars; cached tokens are part of the input tokens."""
        cached = self.cached_input_usd_per_mtok
        usd_per_mtok = (
            (input_tokens - cached_tokens) * self.input_usd_per_mtok
            + cached_tokens * (self.input_usd_per_mtok if cached is None else cached)
            + output_tokens * self.output_usd_per_mtok
        )
        return round(usd_per_mtok * 1_000 + self.request_usd * NUSD_PER_USD)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedModel:
    """One model as its provider would serve it.

    Raises:
        ValueError: a number is outside its range.
    """

    name: str
    provider: str = "simulated"
    """Whose model it plays."""
    tier: Literal["efficient", "standard", "premium"] = "standard"
    ttft_s: float = 0.5
    """Time to the first token: the median of a lognormal distribution."""
    ttft_sigma: float = 0.0
    """Its sigma; 0 makes every time to the first token the same."""
    tokens_per_s: float = 80.0
    """Output speed."""
    error_rate: float = 0.0
    """Share of calls that end in a 500."""
    refusal_rate: float = 0.0
    """Share of prompts that are declined in words."""
    quality: float = 0.8
    """Share of prompts that are answered well. Hard prompts are hard for every model."""
    rpm: int | None = None
    """Requests a minute; None for no limit."""
    tpm: int | None = None
    """Tokens a minute, input and output together; None for no limit."""
    burst_s: float = 60.0
    """How many seconds' worth of both limits may be used at once."""
    max_concurrency: int | None = None
    """Calls in flight; None for no limit."""
    context_window: int = 128_000
    """Most input and output tokens together."""
    max_output_tokens: int = 16_384
    """An answer is cut there, whatever the call allows."""
    prices: Prices | None = None
    """None where they are not known; such calls are counted as costing nothing."""
    answer_tokens: int = 180
    """Median length of an answer."""
    answer_sigma: float = 0.5
    """Sigma of its lognormal distribution."""
    api_key: str | None = None
    """The key that calls must bring; `*` takes any; None needs none."""

    def __post_init__(self) -> None:
        """Refuse numbers that no model has."""
        if not self.name:
            message = "name must not be empty"
            raise ValueError(message)
        for name in ("error_rate", "refusal_rate", "quality"):
            _within(getattr(self, name), 0.0, 1.0, name)
        for name in ("ttft_s", "ttft_sigma", "answer_sigma"):
            _within(getattr(self, name), 0.0, 3600.0, name)
        for name in ("tokens_per_s", "burst_s"):
            _within(getattr(self, name), 1e-3, 1e9, name)
        for name in ("rpm", "tpm", "max_concurrency", "context_window", "max_output_tokens", "answer_tokens"):
            value = getattr(self, name)
            if value is not None:
                _within(value, 1, 1e12, name)

    def cost_nusd(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        """What a call costs in nano-dollars, 0 where no price is known."""
        return 0 if self.prices is None else self.prices.cost_nusd(input_tokens, cached_tokens, output_tokens)


def load_models(path: Path) -> tuple[SimulatedModel, ...]:
    """Models from a YAML file: a list, or a mapping with the list under `models`.

    Raises:
        ModelsFileError: the file cannot be read, or an entry is wrong; the message names entry and field.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read {path}: {error}"
        raise ModelsFileError(message) from error
    except yaml.YAMLError as error:
        message = f"{path} is not YAML: {error}"
        raise ModelsFileError(message) from error
    entries = content.get("models") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not entries:
        message = f"{path} has no models; write a list of them under `models:`"
        raise ModelsFileError(message)
    models = tuple(_entry(path, index, entry) for index, entry in enumerate(entries))
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        message = f"{path} names a model twice: {next(n for n in names if names.count(n) > 1)}"
        raise ModelsFileError(message)
    return models


def _entry(path: Path, index: int, entry: object) -> SimulatedModel:
    where = f"{path}, models[{index}]"
    if not isinstance(entry, dict):
        message = f"{where}: not a mapping with a `name`"
        raise ModelsFileError(message)
    _known(where, entry, SimulatedModel)
    if isinstance(entry.get("prices"), dict):
        _known(f"{where}.prices", entry["prices"], Prices)
    try:
        return msgspec.convert(entry, SimulatedModel)
    except msgspec.ValidationError as error:
        message = f"{where}: {error}"
        raise ModelsFileError(message) from error


def _known(where: str, entry: Mapping[str, object], kind: type[Any]) -> None:
    unknown = [str(key) for key in entry if key not in {field.name for field in fields(kind)}]
    if unknown:
        message = (
            f"{where}: unknown {', '.join(unknown)}; known are {', '.join(f.name for f in fields(kind))}"
        )
        raise ModelsFileError(message)


def as_settings(models: Iterable[SimulatedModel], base_url: str) -> dict[str, Any]:
    """`providers` and `models` as sluice.yaml has them, with every model behind this simulator."""
    shared = (
        "name",
        "tier",
        "prices",
        "context_window",
        "max_output_tokens",
        "quality",
        "ttft_s",
        "tokens_per_s",
    )
    entries = []
    for model in models:
        built = cast("dict[str, Any]", msgspec.to_builtins(model))
        entry = {key: built[key] for key in shared if built[key] is not None}
        if "prices" in entry:
            entry["prices"] = {key: value for key, value in entry["prices"].items() if value is not None}
        entry["ttft_s"] = max(model.ttft_s, 0.001)  # the settings want a time above zero
        entries.append({"name": model.name, "provider": "simulated", **entry})
    return {"providers": {"simulated": {"format": "openai", "base_url": base_url}}, "models": entries}
