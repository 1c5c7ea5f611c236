"""The Faust app: a group of workers that share the partitions of `call.completed`, and their recovered table.

Faust does the membership, the co-partitioning, the recovery of the table from its changelog, and delivers the
records. Folding, positions and writing are the folder's. What is particular here, and why:

- One agent, concurrency 1, values as raw bytes: an exception in an agent or in Faust's decoding would
  acknowledge the event. An error that the folder cannot handle crashes the app; the service starts it anew.
- The changelog is written by the folder's idempotent producer. Faust's own producer is not idempotent, and it
  only logs a write that failed.
- The offsets that Faust commits are for people to look at; the folder knows why it does not rely on them.
- No standby replicas: the store is in memory and a standby's copy is read again on take-over all the same.
- Windows are lists inside the partials, so no windowed table with its expiry is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faust
import structlog
from faust.types import TP

from streams.bus.connection import ssl_context
from streams.tables.storage import TABLE, TableTopics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from streams.config.settings import Kafka, Settings
    from streams.tables.folder import Folder

log = structlog.get_logger(__name__)

BATCH = 4_000
SESSION_TIMEOUT_S = 8.0
REBALANCE_TIMEOUT_S = 20.0
"""How long the group waits for a worker that does not join again; Faust's own minute is long for a view."""
HEARTBEAT_S = 2.0
REQUEST_TIMEOUT_S = 20.0


class TablesApp(faust.App):
    """A Faust app that knows its folder."""

    folder: Folder
    partials: Any
    """Its recovered table: keys and values as bytes."""

    def generation(self) -> int:
        """The generation of the group whose records may be folded; -1 while partitions change hands."""
        return int(self.consumer_generation_id) if self.flow_control.is_active() else -1

    def owned_partitions(self) -> set[int]:
        """Partitions of the source that this worker has."""
        source = self.folder.topics.source
        return {tp.partition for tp in self.consumer.assignment() if tp.topic == source}

    def ends(self) -> dict[int, int]:
        """By owned partition, the offset that the source's next record will get, as far as that is known."""
        source = self.folder.topics.source
        ends = {number: self.consumer.highwater(TP(source, number)) for number in self.folder.partitions}
        return {number: end for number, end in ends.items() if end is not None}


def build_app(settings: Settings, environ: Mapping[str, str], folder: Folder, data_dir: Path) -> TablesApp:
    """The app, with its table and its agent, not started.

    Args:
        settings: of sluice.yaml.
        environ: where secrets are.
        folder: what the agent hands its batches to.
        data_dir: an existing folder for Faust's files.

    Raises:
        MissingSecretError: the password's environment variable is not set.
        OSError: a certificate file cannot be read.
    """
    topics = TableTopics.of(settings.kafka.prefix)
    app = TablesApp(f"{settings.kafka.prefix}.tables", **_options(settings, environ, data_dir))
    app.folder = folder
    app.partials = app.Table(TABLE, key_type=bytes, value_type=bytes)
    changelog = app.partials.changelog_topic.get_topic_name()
    if changelog != topics.changelog:
        message = f"Faust names the changelog {changelog}, the catalog {topics.changelog}"
        raise RuntimeError(message)
    _add_agent(app, topics.source, settings.tables.snapshot_interval_s)

    async def own() -> None:
        try:
            await folder.own(app.partials.data, app.owned_partitions())
        except Exception as error:  # noqa: BLE001 - Faust drops exceptions of this callback
            await app.crash(error)

    async def disown(*_: Any, **__: Any) -> None:  # noqa: ANN401 - the signature of signals
        log.info("tables.revoked", partitions=sorted(folder.partitions))
        await folder.disown()

    app.partials.on_recover(own)
    app.on_partitions_revoked.connect(disown)
    return app


def _add_agent(app: TablesApp, source: str, within_s: float) -> None:
    # The types alone would not do: Faust would still read JSON, and drop what is none in silence.
    channel = app.topic(
        source,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
    )

    @app.agent(channel, name="fold_calls", concurrency=1)
    async def fold_calls(stream: Any) -> None:  # noqa: ANN401 - Faust types it by an interface without take_events
        batches: AsyncIterator[Any] = stream.take_events(BATCH, within=within_s)
        async for events in batches:
            try:
                await app.folder.fold([event.message for event in events], app.generation)
            except Exception as error:  # noqa: BLE001 - going on would acknowledge what is not stored
                await app.crash(error)
                return


def _options(settings: Settings, environ: Mapping[str, str], data_dir: Path) -> dict[str, Any]:
    return {
        "broker": [f"kafka://{server.strip()}" for server in settings.kafka.brokers.split(",")],
        "broker_client_id": "sluice-tables",
        "broker_credentials": _credentials(settings.kafka, environ),
        "broker_session_timeout": SESSION_TIMEOUT_S,
        "broker_heartbeat_interval": HEARTBEAT_S,
        "broker_rebalance_timeout": REBALANCE_TIMEOUT_S,
        "broker_request_timeout": REQUEST_TIMEOUT_S,
        "consumer_group_instance_id": settings.tables.instance,
        "consumer_auto_offset_reset": "earliest",
        "autodiscover": False,
        "store": "memory://",
        "datadir": data_dir,
        "table_standby_replicas": 0,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "stream_wait_empty": False,
        "web_enabled": False,
        "processing_guarantee": "at_least_once",
    }


def _credentials(kafka: Kafka, environ: Mapping[str, str]) -> Any | None:  # noqa: ANN401 - either of Faust's
    security = kafka.security
    context = ssl_context(security) if security.protocol.endswith("SSL") else None
    if security.protocol.startswith("SASL") and security.password is not None:
        return faust.SASLCredentials(
            username=security.username,
            password=security.password.resolve(environ),
            ssl_context=context,
            mechanism=security.mechanism,
        )
    return None if context is None else faust.SSLCredentials(context=context)
