"""Logging: events with fields, as JSON lines on standard error (or readable, on a terminal)."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, TextIO, cast

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_KINDS = 1_000
"""Kinds of messages that are counted; beyond it counting begins anew."""


def configure_logs(*, level: str = "INFO") -> None:
    """Set structlog and the standard library's logging up; libraries are heard from WARNING on."""
    readable = sys.stderr.isatty()
    stderr = cast("TextIO", _StandardError())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(Dampener())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class _StandardError:
    """Whatever standard error is at the time: loggers are cached, and who runs a command in-process replaces it."""

    def write(self, text: str) -> int:
        """Write to it."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush it."""
        sys.stderr.flush()


class Dampener(logging.Filter):
    """Lets a few messages of the same kind through in a while, so that a broker's outage does not fill the disk.

    Kafka clients log every try to reach a broker, a hundred a second and more.
    """

    def __init__(
        self, *, most: int = 5, within_s: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._most = most
        self._within_s = within_s
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to let it through; the last one before the silence says so."""
        kind = (record.name, str(record.msg)[:80])
        now = self._clock()
        since, count = self._seen.get(kind, (now, 0))
        if now - since >= self._within_s:
            since, count = now, 0
        if len(self._seen) >= MOST_KINDS and kind not in self._seen:
            self._seen.clear()
        self._seen[kind] = (since, count + 1)
        if count == self._most - 1:
            record.msg = f"{record.msg} (more of these in the next {self._within_s:g} s are left out)"
        return count < self._most
