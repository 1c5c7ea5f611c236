"""Options that several commands take, and what they stand for: settings, a connection to Kafka.

Whatever is wrong with them ends the command with one sentence and exit code 2; no broker ends it with 1. What
is read or sent is up to the commands.
"""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Never, TypeVar

import typer

from streams.cli.failure import BAD_USAGE, FAILED

if TYPE_CHECKING:
    from streams.config.settings import Kafka, Settings
    from topics.catalog import Topic

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10.0
"""Longest that a broker may take to say which topics it has."""

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration; without it ./sluice.yaml where there is one."),
]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="Tasks as JSON Lines, one a line; - is standard input.")
]
BrokersOption = Annotated[str | None, typer.Option(help="Bootstrap servers, instead of kafka.brokers.")]
PrefixOption = Annotated[
    str | None, typer.Option(help="What topic names begin with, instead of kafka.prefix.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JsonLinesOption = Annotated[bool, typer.Option("--json", help="Print JSON Lines.")]

_HOST = r"(\[[0-9a-fA-F:.]+\]|[^\s,:\[\]]+)(:[0-9]{1,5})?"
_BROKERS = re.compile(rf"{_HOST}(\s*,\s*{_HOST})*")


@dataclass(frozen=True, slots=True)
class Bus:
    """The Kafka that a command works with."""

    kafka: "Kafka"
    options: dict[str, Any]
    """What every aiokafka client takes."""

    def name(self, topic: "Topic") -> str:
        """The topic's name on the broker."""
        return topic.full_name(self.kafka.prefix)

    async def partition_counts(self, *wanted: "Topic") -> dict[str, int]:
        """Number of partitions by full name. Ends the command where a topic is missing.

        Raises:
            KafkaConnectionError: no broker answers, or not in time.
        """
        counts = await self.all_partition_counts()
        names = [self.name(topic) for topic in wanted]
        for name in names:
            if not counts.get(name):
                fail(
                    f"the broker at {self.kafka.brokers} has no topic {name}; "
                    "create the topics with `sluice topics apply`, or name another --prefix"
                )
        return {name: counts[name] for name in names}

    async def all_partition_counts(self) -> dict[str, int]:
        """Number of partitions of every topic there is.

        Raises:
            KafkaConnectionError: no broker answers, or not in time.
        """
        from aiokafka.errors import KafkaConnectionError

        from streams.bus.topology import all_partition_counts

        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await all_partition_counts(self.options)
        except TimeoutError as error:
            raise KafkaConnectionError from error


def load(
    config: Path | None,
    *,
    brokers: str | None = None,
    prefix: str | None = None,
    changes: Mapping[str, Mapping[str, object]] | None = None,
    require_models: bool = False,
    otherwise: Callable[[], Path] | None = None,
) -> "Settings":
    """The settings, with what the command line says instead. Ends the command with exit code 2 where they are wrong.

    Args:
        config: the file; without it ./sluice.yaml, else the file that `otherwise` names, else all defaults.
        brokers: instead of kafka.brokers.
        prefix: instead of kafka.prefix.
        changes: values by section and key, each the value of an option; None is an option not given.
        require_models: it is an error when there are no models.
        otherwise: a file to fall back on.
    """
    from streams.config.load import DEFAULT_FILE, load_settings
    from streams.config.problems import ConfigError

    path = config
    if path is None and otherwise is not None and not DEFAULT_FILE.is_file():
        path = otherwise()
    try:
        settings = load_settings(path, environ=os.environ, require_models=require_models)
    except ConfigError as error:
        fail(str(error), code=BAD_USAGE)
    changes = dict(changes or {})
    changes["kafka"] = {"brokers": brokers, "prefix": prefix, **changes.get("kafka", {})}
    settings = _changed(settings, changes)
    if not _BROKERS.fullmatch(settings.kafka.brokers.strip()):
        fail(f"brokers must be host:port,host:port, not {settings.kafka.brokers!r}", code=BAD_USAGE)
    return settings


def _changed(settings: "Settings", changes: Mapping[str, Mapping[str, object]]) -> "Settings":
    from pydantic import ValidationError

    for section, values in changes.items():
        given = {key: value for key, value in values.items() if value is not None}
        if not given:
            continue
        old = getattr(settings, section)
        try:
            new = type(old).model_validate(old.model_dump() | given)
        except ValidationError as error:
            fail(
                "\n".join(
                    f"--{'.'.join(map(str, one['loc'])).replace('_', '-')}: {one['msg']}"
                    for one in error.errors(include_url=False, include_input=False)
                ),
                code=BAD_USAGE,
            )
        settings = settings.model_copy(update={section: new})
    return settings


def on_bus(kafka: "Kafka", work: Callable[[Bus], Awaitable[T]]) -> T:
    """What `work` returns when given the bus. Ends the command where no broker answers."""
    from aiokafka.errors import KafkaConnectionError, KafkaError

    from streams.bus.connection import client_options, no_broker
    from streams.config.secrets import MissingSecretError

    try:
        options = client_options(kafka, os.environ)
    except (MissingSecretError, OSError) as error:
        fail(f"kafka.security: {error}", code=BAD_USAGE)
    _quiet()

    async def run() -> T:
        return await work(Bus(kafka, options))

    try:
        return asyncio.run(run())
    except KafkaConnectionError:
        fail(no_broker(kafka.brokers))
    except KafkaError as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        fail(f"the broker at {kafka.brokers} did not do it: {reason}; check kafka.security and its log")


def fail(message: str, *, code: int = FAILED) -> Never:
    """Say it on standard error and end the command."""
    typer.echo(message, err=True)
    raise typer.Exit(code)


def note(message: str) -> None:
    """Tell how it goes, on standard error."""
    typer.echo(message, err=True)


def _quiet() -> None:
    """Keep the client library's complaints out: a command says once, itself, what is wrong."""
    import logging

    from streams.observability.logs import configure_logs

    configure_logs(level="WARNING")
    if not os.environ.get("SLUICE_DEBUG"):
        for library in ("aiokafka", "asyncio"):
            logging.getLogger(library).setLevel(logging.CRITICAL + 1)
