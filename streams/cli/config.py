"""`sluice config`: check a configuration, print its schema.

Exit code 0 the configuration can be used, 2 it cannot. Data goes to standard output, problems to standard
error.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.config.load import Loaded
    from streams.config.problems import Problem

BAD_CONFIGURATION = 2

app = typer.Typer(help="Check sluice.yaml; print its schema.", no_args_is_help=True)


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="Configuration; without it ./sluice.yaml where there is one.")
    ] = None,
    *,
    require_models: Annotated[
        bool, typer.Option("--require-models", help="Having no models is a mistake.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Name every mistake with its line, its key and its cure."""
    from streams.config.load import load
    from streams.config.problems import ConfigError

    try:
        loaded = load(file, environ=os.environ, require_models=require_models)
    except ConfigError as error:
        _report(error.problems, None, as_json=as_json)
        raise typer.Exit(BAD_CONFIGURATION) from None
    _report(loaded.warnings, loaded, as_json=as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of sluice.yaml, for editors."""
    from streams.config.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


def _report(problems: "Sequence[Problem]", loaded: "Loaded | None", *, as_json: bool) -> None:
    summary = _summary(loaded) if loaded else {}
    if as_json:
        listed = [asdict(problem) for problem in problems]
        typer.echo(json.dumps({"ok": loaded is not None, **summary, "problems": listed}, ensure_ascii=False))
        return
    for problem in problems:
        typer.echo(str(problem), err=True)
    if problems:
        typer.echo(_count(problems), err=True)
    if loaded:
        name = loaded.file or "no sluice.yaml here, all defaults"
        counts = f"{_number(summary['models'], 'model')}, {_number(summary['rules'], 'rule')}"
        typer.echo(f"{name}: {counts}, fingerprint {summary['fingerprint']}")


def _summary(loaded: "Loaded") -> dict[str, Any]:
    from streams.decide.policy import fingerprint
    from streams.registry import Registry

    settings = loaded.settings
    registry = Registry.of(settings.models, settings.providers)
    return {
        "models": len(settings.models),
        "rules": len(settings.policy.rules),
        "fingerprint": fingerprint(settings.policy, registry),
    }


def _count(problems: "Sequence[Problem]") -> str:
    warnings = sum(problem.severity.value == "warning" for problem in problems)
    errors = len(problems) - warnings
    said = [_number(errors, "problem")] if errors else []
    return ", ".join(said + ([_number(warnings, "warning")] if warnings else []))


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
