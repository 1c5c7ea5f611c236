"""Waiting for what becomes of tasks that were sent: a result, a dead letter, or nothing in time."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console

from streams.cli.options import note
from streams.cli.records import follow
from streams.cli.rendering import result_block, safe, saving, seconds, usd
from topics import codec
from topics.catalog import TASK_COMPLETED
from topics.events import ResultStatus, TaskCompleted
from topics.headers import SOURCE_HEADER, Source, header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka import TopicPartition

    from streams.cli.options import Bus

SHOWN_IDS = 5


@dataclass(slots=True)
class Awaited:
    """Tasks that were sent and have no end yet, by where their records lie."""

    open: dict[str, str]
    """Task id by source."""
    topic: str
    """Where the tasks were sent."""
    _by_id: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self._by_id = {}
        for source, task_id in self.open.items():
            self._by_id.setdefault(task_id, []).append(source)

    def settle(self, source: str | None, task_id: str | None) -> bool:
        """Whether one of these tasks ends here.

        The source tells exactly: the same id may have been submitted before. Only where the source is not of
        the topic that these tasks were sent to (somebody else made the event) the id decides.
        """
        if source is not None and source.startswith(f"{self.topic}:"):
            return self.open.pop(source, None) is not None
        return any(self.open.pop(one, None) is not None for one in self._by_id.get(task_id or "", ()))


@dataclass(slots=True)
class Tally:
    """How the tasks ended so far."""

    completed: int = 0
    failed: int = 0
    dead: int = 0
    cost_usd: float = 0.0
    baseline_usd: float = 0.0


async def await_results(
    bus: Bus,
    sent: Mapping[Source, str],
    starts: Mapping[TopicPartition, int],
    *,
    began: float,
    timeout_s: float,
    as_json: bool,
) -> int:
    """Show how each task ends; the command's exit code.

    Args:
        bus: where to read.
        sent: task id by place.
        starts: where results and dead letters may begin.
        began: monotonic time at which sending began.
        timeout_s: longest to wait from now.
        as_json: events as JSON Lines instead of text.
    """
    topic = next(iter(sent)).topic
    awaited = Awaited({str(source): task_id for source, task_id in sent.items()}, topic)
    tally = Tally()
    console = Console(highlight=False)
    completed = bus.name(TASK_COMPLETED)
    try:
        async with asyncio.timeout(timeout_s), aclosing(follow(bus, starts)) as batches:  # type: ignore[type-var]
            async for records in batches:
                for record in records:
                    take = _take_result if record.topic == completed else _take_dead_letter
                    take(record, awaited, tally, console, as_json=as_json)
                sys.stdout.flush()
                if not awaited.open:
                    break
    except TimeoutError:
        pass
    return _sum_up(awaited, tally, len(sent), began=began, timeout_s=timeout_s)


def _take_result(record: Any, awaited: Awaited, tally: Tally, console: Console, *, as_json: bool) -> None:  # noqa: ANN401 - aiokafka
    result = codec.decode(record.value, TaskCompleted)
    if isinstance(result, codec.Rejection) or not awaited.settle(result.source, result.task_id):
        return
    if result.status is ResultStatus.COMPLETED:
        tally.completed += 1
    else:
        tally.failed += 1
    tally.cost_usd += result.cost_usd
    tally.baseline_usd += result.baseline_usd
    if as_json:
        sys.stdout.write(orjson.dumps(orjson.loads(record.value)).decode() + "\n")
    else:
        console.print(result_block(result, console.width), markup=False, soft_wrap=True)


def _take_dead_letter(
    record: Any,  # noqa: ANN401 - aiokafka
    awaited: Awaited,
    tally: Tally,
    console: Console,
    *,
    as_json: bool,
) -> None:
    source = header(record.headers, SOURCE_HEADER)
    task_id = (record.key or b"").decode(errors="replace")
    if not awaited.settle(source, task_id):
        return
    tally.dead += 1
    code = header(record.headers, "__streams.errors.exception") or "unknown"
    message = header(record.headers, "__streams.errors.message") or ""
    position = f"{record.partition}:{record.offset}"
    if as_json:
        failure = {"code": code, "message": message, "dead_letter": position}
        event = {"task_id": task_id, "source": source, "status": "dead_letter", "failure": failure}
        sys.stdout.write(orjson.dumps(event).decode() + "\n")
    else:
        text = f"dead letter  {safe(task_id)}  `sluice dlq show {position}`\n  {safe(code)}: {safe(message)}"
        console.print(text, markup=False, soft_wrap=True)


def _sum_up(awaited: Awaited, tally: Tally, count: int, *, began: float, timeout_s: float) -> int:
    missing = list(awaited.open.values())
    parts = [f"{tally.completed} of {count} tasks completed"]
    parts += [f"{tally.failed} failed"] if tally.failed else []
    parts += [f"{tally.dead} dead letters"] if tally.dead else []
    parts += [f"{len(missing)} without a result after {timeout_s:g} s"] if missing else []
    cost = usd(tally.cost_usd)
    if less := saving(tally.cost_usd, tally.baseline_usd):
        cost += f", {less} than {usd(tally.baseline_usd)} with the best model"
    note(f"{', '.join(parts)}; {cost}; {seconds(time.monotonic() - began)}")
    if missing:
        more = f" and {len(missing) - SHOWN_IDS} more" if len(missing) > SHOWN_IDS else ""
        note(
            f"waiting for {', '.join(map(safe, missing[:SHOWN_IDS]))}{more}; is a router running "
            "(`sluice worker router`)? Later, `sluice results --task ID` shows the result"
        )
    return 1 if missing or tally.failed or tally.dead else 0
