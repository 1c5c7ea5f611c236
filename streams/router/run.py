"""A router as a process: runs until SIGTERM or SIGINT, then drains.

On asyncio's own event loop, not uvloop: where a broker has closed a connection, uvloop's transport raises
RuntimeError on the next write, which aiokafka does not expect (its issue 1038). Consumer and producer then give
up for good, so a broker's restart would end the router.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from streams.router.service import Router

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.config.settings import Settings


def run(settings: Settings, environ: Mapping[str, str]) -> None:
    """Run one router on an event loop of its own."""
    asyncio.run(run_router(settings, environ))


async def run_router(settings: Settings, environ: Mapping[str, str]) -> None:
    """Run one router to its end.

    Raises:
        KafkaError: the bus failed lastingly.
    """
    async with Router(settings, environ) as router:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, router.stop)
        await router.run()
