"""`sluice worker tables`: one worker of the tables, until SIGTERM or SIGINT.

Exit code 0 when stopped, 1 when it could not start, 2 for bad usage or configuration.
"""

from typing import Annotated

import typer

from streams.cli.options import BrokersOption, ConfigOption, PrefixOption, load


def tables(
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    http_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port of /healthz and /metrics, 0 for any; instead of the file's."
        ),
    ] = None,
    instance: Annotated[
        str | None, typer.Option(help="Stable name of this worker, instead of tables.instance.")
    ] = None,
) -> None:
    """Fold calls into windowed tables and publish snapshots of them, until stopped."""
    import asyncio
    import os

    from streams.observability.logs import configure_logs
    from streams.tables.worker import run_tables

    changes = {"tables": {"http_port": http_port, "instance": instance}}
    settings = load(config, brokers=brokers, prefix=prefix, changes=changes)
    configure_logs()
    raise typer.Exit(asyncio.run(run_tables(settings, os.environ)))
