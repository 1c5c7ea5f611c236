"""A router as a process: runs until SIGTERM or SIGINT, then drains."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from streams.router.service import Router

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.config.settings import Settings


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
