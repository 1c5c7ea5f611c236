"""A router as a process: runs until SIGTERM or SIGINT, then drains."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from streams.router.service import Router

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streams.config.settings import Settings


def run(settings: Settings, environ: Mapping[str, str]) -> None:
    """Run one router on an event loop of its own (uvloop where there is one)."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run_router(settings, environ))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


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
