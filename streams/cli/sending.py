"""A producer for commands: idempotent where the broker can, and where it cannot, said and done without."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from aiokafka.errors import IncompatibleBrokerVersion, UnknownError

from streams.bus.producer import Publisher
from streams.cli.options import note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.cli.options import Bus


@asynccontextmanager
async def publisher_of(bus: Bus) -> AsyncIterator[Publisher]:
    """A started publisher.

    Raises:
        KafkaError: the broker cannot be talked to.
    """
    async with AsyncExitStack() as started:
        try:
            publisher = await started.enter_async_context(
                Publisher(bus.options, idempotent=bus.kafka.idempotence)
            )
        except (UnknownError, IncompatibleBrokerVersion):  # what Tansu and old brokers answer
            if not bus.kafka.idempotence:
                raise
            note("this broker takes no idempotent producer, so a send that is retried may come twice")
            publisher = await started.enter_async_context(Publisher(bus.options, idempotent=False))
        yield publisher
