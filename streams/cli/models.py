"""`sluice models`: the registry, as decisions see it."""

import json
from typing import TYPE_CHECKING

import typer

from streams.cli.options import ConfigOption, JsonOption, fail, load, note

if TYPE_CHECKING:
    from streams.registry import Registry

CONFIGURED = "configured"


def models(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show the models with their prices, limits and expected quality."""
    from streams.registry import Registry, UnpricedModelError

    settings = load(config)
    try:
        registry = Registry.of(settings.models, settings.providers)
    except UnpricedModelError as error:
        fail(str(error), code=2)
    if as_json:
        typer.echo(json.dumps([model.public() for model in registry.models], indent=2, ensure_ascii=False))
    elif not registry.models:
        note("no models are configured; add `providers` and `models` to sluice.yaml")
    else:
        _print(registry)


def _print(registry: "Registry") -> None:
    from rich.console import Console
    from rich.table import Table

    from streams.cli.rendering import tokens, wide

    table = Table(box=None, pad_edge=False)
    table.add_column("model", overflow="fold")
    table.add_column("provider", overflow="fold")
    table.add_column("tier", no_wrap=True)
    for heading in ("$ in", "$ out", "context", "answer", "quality"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("price", no_wrap=True)
    for model in registry.models:
        table.add_row(
            model.name,
            model.provider,
            model.tier.value,
            f"{model.prices.input_usd_per_mtok:g}",
            f"{model.prices.output_usd_per_mtok:g}",
            tokens(model.context_window),
            tokens(model.max_output_tokens),
            f"{model.quality:.2f}",
            "yours" if model.price_source == CONFIGURED else "listed",
        )
    wide(Console(highlight=False)).print(table)
    listed = sorted({model.price_source for model in registry.models} - {CONFIGURED})
    source = f"; listed: {', '.join(listed)}" if listed else ""
    note(f"prices in USD for one million tokens{source}; context and answer in tokens")
