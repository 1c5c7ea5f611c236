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
    import logging
    import os
    import threading

    from streams.observability.logs import configure_logs
    from streams.tables.worker import run_tables

    changes = {"tables": {"http_port": http_port, "instance": instance}}
    settings = load(config, brokers=brokers, prefix=prefix, changes=changes)
    configure_logs()
    code = asyncio.run(run_tables(settings, os.environ))
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        # Faust's consumer thread waits for ever for a broker that is away; all that is durable is stored.
        logging.shutdown()
        os._exit(code)
    raise typer.Exit(code)
