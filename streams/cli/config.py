"""`sluice config`: check a configuration, print its schema, import that of another router.

Exit code 0 the configuration can be used, 2 it cannot. Data goes to standard output, problems and reports to
standard error.
"""

import json
import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Never

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.config.importing import Imported
    from streams.config.load import Loaded
    from streams.config.problems import Problem

BAD_CONFIGURATION = 2

app = typer.Typer(
    help="Check sluice.yaml; print its schema; import a configuration of LiteLLM or Portkey.",
    no_args_is_help=True,
)


class Source(StrEnum):
    """Whose configuration is imported."""

    LITELLM = "litellm"
    PORTKEY = "portkey"


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


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="LiteLLM's config.yaml, or Portkey's config as JSON.")],
    *,
    source: Annotated[
        Source | None, typer.Option("--from", help="Whose it is; without it its keys tell.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; without it standard output.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file that is there.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON; with --output to standard output.")
    ] = False,
) -> None:
    """Make a sluice.yaml of another router's configuration, and say of every key what became of it.

    The report goes to standard error. Keys that stand in the file are not copied: the report says what to export.
    """
    from streams.config.importing import ImportFailedError, Kind, import_file

    def refuse(sentence: str) -> Never:
        typer.echo(
            json.dumps({"ok": False, "error": sentence}) if as_json else sentence,
            err=not as_json or not output,
        )
        raise typer.Exit(BAD_CONFIGURATION) from None

    if output is not None and (why := _unwritable(output, file, force=force)):
        refuse(why)
    try:
        imported = import_file(file, Kind(source.value) if source else None)
    except ImportFailedError as error:
        refuse(str(error))
    if output is None:
        typer.echo(imported.text, nl=False)
    else:
        try:
            _write(output, imported.text)
        except OSError as error:
            refuse(f"{output}: cannot be written ({error.strerror}); name another file")
    _report_import(imported, file, output, as_json=as_json)


def _unwritable(output: Path, file: Path, *, force: bool) -> str:
    """Why this file cannot be written, with the cure; empty where it can."""
    if output.is_dir():
        return f"{output}: is a folder; name a file in it"
    if not output.parent.is_dir():
        return f"{output.parent}: there is no such folder; make it, or name another file"
    if output.exists() and file.exists() and output.samefile(file):
        return f"{output}: is the file that is imported; name another file"
    if output.exists() and not force:
        return f"{output}: there is such a file already; name another, or replace it with --force"
    return ""


def _write(output: Path, text: str) -> None:
    """All of it or nothing."""
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def _report_import(imported: "Imported", file: Path, output: Path | None, *, as_json: bool) -> None:
    from rich.console import Console

    from streams.cli import imported as report

    written = str(output) if output else None
    if as_json:
        said = json.dumps(report.as_json(imported, str(file), written), indent=2)
        typer.echo(said, err=output is None)
        return
    console = Console(stderr=True, highlight=False)
    console.print(report.laid_out(imported, str(file), written, console.width))


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
