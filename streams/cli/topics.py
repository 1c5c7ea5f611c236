"""`sluice topics`: create the topics, compare them with the contract, list them, print the AsyncAPI document.

Exit code 0 done, 1 failed or different, 2 bad usage or bad configuration. Data goes to standard output,
everything else to standard error.
"""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from streams.cli.options import BrokersOption, ConfigOption, JsonOption, PrefixOption, fail, load, on_bus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from aiokafka.admin import AIOKafkaAdminClient

    from streams.cli.options import Bus
    from streams.config.settings import Kafka
    from topics.provision import Difference, TopicInfo

T = TypeVar("T")

REQUEST_TIMEOUT_MS = 15_000
PIPED_WIDTH = 250

app = typer.Typer(
    help="The contract: create, check and list topics, print the AsyncAPI document.", no_args_is_help=True
)

PartitionsOption = Annotated[
    int | None, typer.Option(help="Partitions of per-task topics, instead of kafka.partitions.")
]
ReplicationOption = Annotated[
    int | None, typer.Option(help="Replication of topics that are created, instead of kafka.replication.")
]


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

    kafka = load(
        config,
        brokers=brokers,
        prefix=prefix,
        changes={"kafka": {"partitions": partitions, "replication": replication}},
    ).kafka

    async def work(admin: "AIOKafkaAdminClient") -> "tuple[provision.Applied, list[Difference]]":
        applied = await provision.apply(
            admin, prefix=kafka.prefix, partitions=kafka.partitions, replication=kafka.replication
        )
        return applied, await provision.check(admin, prefix=kafka.prefix, partitions=kafka.partitions)

    try:
        applied, differences = _on_topics(kafka, work)
    except provision.ProvisionError as error:
        fail(f"could not create {error}")
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

    kafka = _kafka(config, brokers, prefix, {"partitions": partitions})
    differences = _on_topics(
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
        fail(f"{len(differing)} differences from the contract{cure}")
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

    kafka = _kafka(config, brokers, prefix, {"partitions": partitions})
    infos = _on_topics(
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

    kafka = load(
        config,
        brokers=brokers,
        prefix=prefix,
        changes={"kafka": {"partitions": partitions, "replication": replication}},
    ).kafka
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


def _kafka(
    config: "Path | None", brokers: str | None, prefix: str | None, given: dict[str, object]
) -> "Kafka":
    """`kafka:` of the configuration with what the command line says instead."""
    return load(config, brokers=brokers, prefix=prefix, changes={"kafka": given}).kafka


def _on_topics(kafka: "Kafka", work: "Callable[[AIOKafkaAdminClient], Awaitable[T]]") -> T:
    """What `work` returns when given a started admin client. Ends the command where no broker answers."""
    from streams.bus.topology import admin_client

    async def with_admin(bus: "Bus") -> T:
        async with admin_client({**bus.options, "request_timeout_ms": REQUEST_TIMEOUT_MS}) as admin:
            return await work(admin)

    return on_bus(kafka, with_admin)


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
