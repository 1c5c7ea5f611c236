"""`sluice worker router`: one router, until SIGTERM or SIGINT.

Exit code 0 when drained, 1 when it could not start or the bus failed, 2 for bad usage or configuration.
"""

from typing import Annotated

import typer

from streams.cli.options import BrokersOption, ConfigOption, PrefixOption, fail, load


def router(
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    http_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port of /healthz, /readyz and /metrics, 0 for any; instead of the file's."
        ),
    ] = None,
    instance: Annotated[
        str | None, typer.Option(help="Stable name of this router, instead of router.instance.")
    ] = None,
    decide_only: Annotated[
        bool | None, typer.Option("--decide-only", help="Publish decisions and leave the calling to others.")
    ] = None,
) -> None:
    """Read tasks, decide, call, check and publish, until stopped."""
    import os

    from aiokafka.errors import KafkaConnectionError

    from streams.bus.connection import no_broker
    from streams.observability.logs import configure_logs
    from streams.router.run import run

    given = {"http_port": http_port, "instance": instance, "decide_only": decide_only}
    settings = load(config, brokers=brokers, prefix=prefix, changes={"router": given}, require_models=True)
    configure_logs()
    try:
        run(settings, os.environ)
    except KafkaConnectionError:
        fail(no_broker(settings.kafka.brokers))
