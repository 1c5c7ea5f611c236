"""Text in, complaints out: how the tests of this package look at a configuration."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from streams.config.load import parse
from streams.config.problems import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.config.settings import Settings

PRICED = "prices: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}"


def complaints(
    text: str, environ: Mapping[str, str] | None = None, *, require_models: bool = False
) -> list[str]:
    """Every problem with a text, errors and warnings, as printed."""
    try:
        _, warnings = parse(dedent(text), "sluice.yaml", environ=environ or {}, require_models=require_models)
    except ConfigError as error:
        return str(error).split("\n")
    return [str(warning) for warning in warnings]


def settings(text: str, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in a text."""
    return parse(dedent(text), "sluice.yaml", environ=environ or {})[0]
