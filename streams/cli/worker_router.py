"""`sluice worker router`: one router, until SIGTERM or SIGINT."""

from pathlib import Path
from typing import Annotated

import typer


def router(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="sluice.yaml")] = None,
    brokers: Annotated[str | None, typer.Option(help="Bootstrap servers, instead of the file's.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Prefix of the topics, instead of the file's.")] = None,
    http_port: Annotated[
        int | None, typer.Option(help="Port of /healthz, /readyz, /metrics; 0: any.")
    ] = None,
    decide_only: Annotated[
        bool | None, typer.Option("--decide-only", help="Publish decisions, leave calls to others.")
    ] = None,
) -> None:
    """Read tasks, decide, call, check, publish."""
    import asyncio
    import os

    from streams.cli.options import load
    from streams.observability.logs import configure_logs
    from streams.router.run import run_router

    changes = {"router": {"http_port": http_port, "decide_only": decide_only}}
    settings = load(config, brokers=brokers, prefix=prefix, changes=changes, require_models=True)
    configure_logs()
    asyncio.run(run_router(settings, os.environ))
