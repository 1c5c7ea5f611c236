"""The benchmarks: `python -m tests.bench NAME...|all [--json]`. docs/performance.md says what the figures mean."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from streams.observability.logs import configure_logs
from tests.bench import stage
from tests.bench.bench_call import call
from tests.bench.bus import decide_only, with_calls
from tests.bench.deciding import deciding
from tests.bench.delay import delay
from tests.bench.scenario import Conditions, SkippedError
from tests.bench.tokens import tokens

if TYPE_CHECKING:
    from tests.bench.scenario import Row, Scenario

SCENARIOS: dict[str, Scenario] = {
    "decide": deciding,
    "decide-only": decide_only,
    "call": call,
    "with-calls": with_calls,
    "delay": delay,
    "tokens": tokens,
}
NEED_A_BROKER = {"decide-only", "with-calls", "delay"}
VERSIONS = ("aiokafka", "aiohttp", "httpx", "msgspec", "numpy", "orjson", "uvloop")


def main() -> None:
    """Measure what was asked for, in the registry's order."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="+", choices=[*SCENARIOS, "all"], metavar="NAME")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--repeats", type=int, default=3, help="repetitions, taken in turns (3)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of tasks (1.0)")
    parser.add_argument("--tables", type=Path, help="folder of outcome tables, for `tokens`")
    chosen = parser.parse_args()
    names = [name for name in SCENARIOS if name in chosen.names or "all" in chosen.names]
    conditions = Conditions(repeats=chosen.repeats, scale=chosen.scale, tables=chosen.tables)
    configure_logs()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # fresh topics have no leader for a moment
    about, rows = asyncio.run(run(names, conditions))
    if chosen.json:
        sys.stdout.write(json.dumps({"conditions": about, "rows": [asdict(one) for one in rows]}) + "\n")
        return
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in about.items()))
    sys.stdout.write(table(rows))


async def run(names: list[str], conditions: Conditions) -> tuple[dict[str, str], list[Row]]:
    """Conditions in words, and all rows."""
    about, rows = _about(), []
    async with AsyncExitStack() as stack:
        if NEED_A_BROKER & set(names):
            bootstrap, idempotent, title = await stack.enter_async_context(stage.a_broker())
            conditions = replace(conditions, bootstrap=bootstrap, idempotent=idempotent)
            about["broker"] = title
        for name in names:
            sys.stderr.write(f"measuring {name} ...\n")
            try:
                rows += await SCENARIOS[name](conditions)
            except SkippedError as reason:
                sys.stderr.write(f"{name} is skipped: {reason}\n")
                about[f"{name} skipped"] = str(reason)
    about["load average, before → after"] += f" → {os.getloadavg()[0]:.1f}"
    return about, rows


def _about() -> dict[str, str]:
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "versions": ", ".join(
            [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in VERSIONS)]
        ),
        "load average, before → after": f"{os.getloadavg()[0]:.1f}",
    }


def table(rows: list[Row]) -> str:
    """Rows as a Markdown table per scenario."""
    lines: list[str] = []
    for name in dict.fromkeys(row.scenario for row in rows):
        lines += [
            "",
            f"### {name}",
            "",
            "| what | median | spread | against the baseline |",
            "| --- | --- | --- | --- |",
        ]
        lines += [_line(row) for row in rows if row.scenario == name]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    spread = "" if row.low is None or row.high is None else f"{_number(row.low)} to {_number(row.high)}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} x {row.baseline}"
    return f"| {row.what} | {_number(row.value)} {row.unit} | {spread} | {ratio} |"


def _number(value: float) -> str:
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.3g}"


if __name__ == "__main__":
    main()
