"""`sluice topics`: create the topics, compare them with the contract, list them, print the AsyncAPI document.

Exit code 0 done, 1 failed or different, 2 bad usage or bad configuration. Data goes to standard output,
everything else to standard error.
"""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Never, TypeVar

import typer

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

    from streams.config.settings import Kafka
    from topics.provision import Difference, TopicInfo

T = TypeVar("T")

REQUEST_TIMEOUT_MS = 15_000
PIPED_WIDTH = 250

_HOST = r"(\[[0-9a-fA-F:.]+\]|[^\s,:\[\]]+)(:[0-9]{1,5})?"
_BROKERS = re.compile(rf"{_HOST}(\s*,\s*{_HOST})*")

app = typer.Typer(
    help="The contract: create, check and list topics, print the AsyncAPI document.", no_args_is_help=True
)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration; without it ./sluice.yaml where there is one."),
]
BrokersOption = Annotated[str | None, typer.Option(help="Bootstrap servers, instead of kafka.brokers.")]
PrefixOption = Annotated[
    str | None, typer.Option(help="What topic names begin with, instead of kafka.prefix.")
]
PartitionsOption = Annotated[
    int | None, typer.Option(help="Partitions of per-task topics, instead of kafka.partitions.")
]
ReplicationOption = Annotated[
    int | None, typer.Option(help="Replication of topics that are created, instead of kafka.replication.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def apply(
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    partitions: PartitionsOption = None,
    replication: ReplicationOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Create the topics that are missing. Deletes and alters nothing; safe to repeat."""
    from topics import provision

    kafka = _kafka(config, brokers=brokers, prefix=prefix, partitions=partitions, replication=replication)

    async def work(admin: "AIOKafkaAdminClient") -> "tuple[provision.Applied, list[Difference]]":
        applied = await provision.apply(
            admin, prefix=kafka.prefix, partitions=kafka.partitions, replication=kafka.replication
        )
        return applied, await provision.check(admin, prefix=kafka.prefix, partitions=kafka.partitions)

    try:
        applied, differences = _with_admin(kafka, work)
    except provision.ProvisionError as error:
        _fail(f"could not create {error}")
    differing = [one for one in differences if one.compared]
    if as_json:
        _print_json(asdict(applied) | {"differences": [asdict(one) for one in differing]})
    else:
        for name in applied.created:
            typer.echo(f"created {name}")
        typer.echo(f"{len(applied.created)} created, {len(applied.existing)} were there", err=True)
    if differing:
        for one in differing:
            typer.echo(f"different, left alone: {one}", err=True)


@app.command()
def check(
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    partitions: PartitionsOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Compare the broker's topics with the contract; exit code 1 when something differs."""
    from topics import provision

    kafka = _kafka(config, brokers=brokers, prefix=prefix, partitions=partitions)
    differences = _with_admin(
        kafka, lambda admin: provision.check(admin, prefix=kafka.prefix, partitions=kafka.partitions)
    )
    differing = [one for one in differences if one.compared]
    unknown = [one for one in differences if not one.compared]
    if as_json:
        _print_json({"ok": not differing, "differences": [asdict(one) for one in differences]})
    else:
        for one in differing:
            typer.echo(str(one))
    if unknown:
        typer.echo(f"settings of {len({one.topic for one in unknown})} topics {unknown[0].actual}", err=True)
    if differing:
        missing = sum(one.what == "topic" for one in differing)
        cure = "; `sluice topics apply` creates what is missing" if missing else ""
        _fail(f"{len(differing)} differences from the contract{cure}")
    typer.echo(
        "no differences from the contract" + (" in what could be compared" if unknown else ""), err=True
    )


@app.command(name="list")
def list_(
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    partitions: PartitionsOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show every topic of the contract and whether the broker has it."""
    from topics import provision

    kafka = _kafka(config, brokers=brokers, prefix=prefix, partitions=partitions)
    infos = _with_admin(
        kafka, lambda admin: provision.describe(admin, prefix=kafka.prefix, partitions=kafka.partitions)
    )
    if as_json:
        _print_json([asdict(one) for one in infos])
    else:
        _print_table(infos)


@app.command()
def asyncapi(
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    partitions: PartitionsOption = None,
    replication: ReplicationOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json/--yaml", help="Format of the document.")] = True,
) -> None:
    """Print the AsyncAPI 3.0 document of the topics. Needs no broker."""
    from topics.asyncapi import document

    kafka = _kafka(config, brokers=brokers, prefix=prefix, partitions=partitions, replication=replication)
    found = document(
        prefix=kafka.prefix,
        brokers=kafka.brokers,
        partitions=kafka.partitions,
        replication=kafka.replication,
    )
    if as_json:
        _print_json(found)
    else:
        import yaml

        typer.echo(
            yaml.safe_dump(json.loads(json.dumps(found)), sort_keys=False, allow_unicode=True), nl=False
        )


def _kafka(config: Path | None, **overrides: str | int | None) -> "Kafka":
    """`kafka:` of the configuration with what the command line says instead."""
    from pydantic import ValidationError

    from streams.config.load import load_settings
    from streams.config.problems import ConfigError
    from streams.config.settings import Kafka

    try:
        kafka = load_settings(config, environ=os.environ).kafka
    except ConfigError as error:
        _fail(str(error), code=2)
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        effective = Kafka.model_validate(kafka.model_dump() | given)
    except ValidationError as error:
        problems = [f"--{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        _fail("\n".join(problems), code=2)
    if not _BROKERS.fullmatch(effective.brokers.strip()):
        _fail(f"brokers must be host:port,host:port, not {effective.brokers!r}", code=2)
    return effective


def _with_admin(kafka: "Kafka", work: "Callable[[AIOKafkaAdminClient], Awaitable[T]]") -> T:
    """What `work` returns when given a started admin client. Ends the command where no broker answers."""
    from aiokafka.errors import KafkaConnectionError, KafkaError

    from streams.bus.connection import client_options
    from streams.config.secrets import MissingSecretError

    try:
        options = client_options(kafka, os.environ)
    except (MissingSecretError, OSError) as error:
        _fail(f"kafka.security: {error}", code=2)
    try:
        return asyncio.run(_run(options, work))
    except KafkaConnectionError:
        cure = "start one with `sluice broker`, or name yours with --brokers or kafka.brokers"
        _fail(f"no Kafka broker answers at {kafka.brokers}; {cure}")
    except (KafkaError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        _fail(f"the broker at {kafka.brokers} did not do it: {reason}; check kafka.security and its log")


async def _run(options: Mapping[str, Any], work: "Callable[[AIOKafkaAdminClient], Awaitable[T]]") -> T:
    import logging

    from aiokafka.admin import AIOKafkaAdminClient

    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # this command says it once, itself
    admin = AIOKafkaAdminClient(request_timeout_ms=REQUEST_TIMEOUT_MS, **options)
    try:
        await admin.start()
        return await work(admin)
    finally:
        await admin.close()


def _print_table(infos: "list[TopicInfo]") -> None:
    from rich.console import Console
    from rich.table import Table

    from topics.generate import kept

    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)  # nobody wraps lines in a pipe, and names must stay whole
    table = Table(box=None, pad_edge=False)
    for heading in ("topic", "partitions", "kept", "cleanup", "event", "on the broker"):
        table.add_column(heading, overflow="fold")
    for one in infos:
        there = "missing"
        if one.exists:
            there = (
                "yes" if one.actual_partitions == one.partitions else f"{one.actual_partitions} partitions"
            )
        table.add_row(
            one.name, str(one.partitions), kept(one.retention_s), one.cleanup, " | ".join(one.events), there
        )
    console.print(table)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _fail(message: str, *, code: int = 1) -> Never:
    typer.echo(message, err=True)
    raise typer.Exit(code)
