"""`sluice simulate`: the simulated providers alone, until they are stopped.

Exit code 0 when stopped by SIGINT or SIGTERM, 1 when the port cannot be had, 2 when a file cannot be used.
"""

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from streams.embedded.simulator import SimulatedModel, Simulator


def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 for any free port.")] = 8099,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    models: Annotated[
        Path | None, typer.Option(help="YAML file of models. Without it six well-known ones.")
    ] = None,
    outcomes: Annotated[
        list[Path] | None,
        typer.Option(help="Parquet file of recorded outcomes to answer from; may be repeated."),
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0, help="Factor on every latency: 0.05 is twenty times as fast.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Decides answers and luck.")] = 0,
    *,
    print_models: Annotated[
        bool, typer.Option("--print-models", help="Print the models as in sluice.yaml, and serve nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output once it serves.")
    ] = False,
) -> None:
    """Run simulated model providers on this machine until stopped (Ctrl-C)."""
    from rich.console import Console

    from streams.embedded.simulator import (
        Outcomes,
        Simulator,
        SimulatorError,
        as_settings,
        load_models,
    )
    from streams.observability.logs import configure_logs

    configure_logs(level="WARNING")
    console = Console(stderr=True, highlight=False)
    try:
        simulator = Simulator(
            load_models(models) if models else None,
            host=host,
            port=port,
            speed=speed,
            seed=seed,
            outcomes=Outcomes.load(*outcomes) if outcomes else None,
        )
    except SimulatorError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    if print_models:
        _print_settings(as_settings(simulator.models, simulator.base_url), as_json=as_json)
        return
    raise typer.Exit(_run(simulator, console, as_json=as_json))


def _print_settings(settings: dict[str, object], *, as_json: bool) -> None:
    import yaml

    text = json.dumps(settings) + "\n" if as_json else yaml.safe_dump(settings, sort_keys=False)
    sys.stdout.write(text)


def _run(simulator: "Simulator", console: "Console", *, as_json: bool) -> int:
    factory = None
    with contextlib.suppress(ImportError):  # uvloop comes with sluice[embedded], but not on Windows
        import uvloop

        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_serve(simulator, console, as_json=as_json))
    except OSError as error:
        console.print(f"Cannot listen at {simulator.url}: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    return 0


async def _serve(simulator: "Simulator", console: "Console", *, as_json: bool) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with simulator:
        _announce(simulator, console, as_json=as_json)
        await stopped.wait()
    console.print("Stopped.", style="dim")


def _announce(simulator: "Simulator", console: "Console", *, as_json: bool) -> None:
    from rich.table import Table

    if as_json:
        facts = {
            "url": simulator.url,
            "base_url": simulator.base_url,
            "models": [model.name for model in simulator.models],
        }
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
    table = Table(title="Simulated models", title_justify="left")
    table.add_column("model", overflow="fold")
    for heading in ("provider", "tier", "price in USD", "quality"):
        table.add_column(heading, no_wrap=True)
    for model in simulator.models:
        table.add_row(model.name, model.provider, model.tier, _price(model), f"{model.quality:.2f}")
    console.print(table)
    console.print(f"Serving OpenAI's API at {simulator.base_url}. Ctrl-C stops it.", markup=False)


def _price(model: "SimulatedModel") -> str:
    prices = model.prices
    if prices is None:
        return "not known"
    by_token = f"{prices.input_usd_per_mtok:g} in, {prices.output_usd_per_mtok:g} out a Mtok"
    if not prices.request_usd:
        return by_token
    by_call = f"{prices.request_usd:.4g} a call"
    return f"{by_token}, {by_call}" if prices.output_usd_per_mtok else by_call
