"""Stopping a Kafka client within a deadline, also when its broker is gone.

Without a broker a producer would wait for ever to deliver what it still has, and a consumer to say that it
leaves. Whoever needs a record to be durable has waited for that before.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

CLOSE_WITHIN_S = 5.0


class Client(Protocol):
    """A client of aiokafka."""

    async def stop(self) -> None:
        """Say goodbye and close the connections."""


async def close(client: Client, *, within_s: float = CLOSE_WITHIN_S) -> None:
    """Stop a client; abandon it when that takes too long. An error while stopping is logged, not raised."""
    stopping = asyncio.ensure_future(client.stop())
    try:
        await asyncio.wait({stopping}, timeout=within_s)
    finally:
        stopping.cancel()
    await asyncio.wait({stopping}, timeout=within_s)
    # Cancelled is also what aiokafka's consumer ends with when it cancels a fetch that was waiting to try again.
    if not stopping.done() or stopping.cancelled():
        log.warning("bus.closed_abruptly", client=type(client).__name__)
    elif (error := stopping.exception()) is not None:
        log.warning("bus.closed_abruptly", client=type(client).__name__, error=repr(error))
