"""`sluice demo` and `sluice up` as processes: what they print, how they end, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streams.embedded.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.brokers import BrokerInUse

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

DEADLINE_S = 120.0
POLL_S = 0.1


@asynccontextmanager
async def _sluice(*arguments: str, **environ: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "streams.cli",
        *arguments,
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, **environ},
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _until_said(process: Process, what: bytes) -> None:
    assert process.stderr is not None
    while what not in (line := await process.stderr.readline()):
        assert line, f"it ended without saying {what!r}"


def _descendants(pid: int) -> set[int]:
    """Processes below this one."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in {pid, *found}} - found:
        found |= more
    return found


def _running(pids: set[int]) -> set[int]:
    return {pid for pid in pids if _state(pid) not in {None, "Z"}}


def _state(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


async def _all_ended(pids: set[int]) -> None:
    until = time.monotonic() + 10
    while left := _running(pids):
        assert time.monotonic() < until, f"still running: {left}"
        await asyncio.sleep(POLL_S)


def _check_identities(summary: dict[str, Any]) -> None:
    ends = [summary[key] for key in ("completed", "failed", "dead_lettered", "lost")]
    assert sum(ends) == summary["tasks"]
    assert (summary["lost"], summary["duplicates"]) == (0, 0)
    assert 0 < summary["saving"] < 1
    assert summary["saving"] == pytest.approx(
        1 - summary["cost_usd"] / summary["baseline_cost_usd"], abs=1e-3
    )
    assert set(summary["tiers"]) == {"efficient", "standard", "premium"}
    assert sum(summary["tiers"].values()) == pytest.approx(1, abs=1e-3)
    quantiles = [summary["latency_ms"][key] for key in ("p50", "p95", "p99")]
    assert quantiles == sorted(quantiles)
    assert quantiles[0] > 0


async def test_the_demo_prints_one_object_and_everything_adds_up() -> None:
    async with _sluice("demo", "--count", "60", "--json") as demo:
        out, err = await demo.communicate()

    assert demo.returncode == 0, err.decode()
    summary = json.loads(out)  # one object and nothing else
    assert out.count(b"\n") == 1
    _check_identities(summary)
    assert (summary["tasks"], summary["completed"], summary["dead_lettered"]) == (63, 60, 3)
    assert summary["failovers"] > 0
    assert summary["broker"] in {"kafka", "tansu"}
    assert all(share > 0 for share in summary["tiers"].values())


async def test_it_runs_on_a_users_kafka_models_and_tasks(broker: BrokerInUse, tmp_path: Path) -> None:
    tasks, config = tmp_path / "tasks.jsonl", tmp_path / "own.yaml"
    tasks.write_text(
        "".join(f'{{"task_id": "own-{n}", "prompt": "Say {n}"}}\n' for n in range(5)) + "nonsense\n"
    )
    async with Simulator(speed=0) as simulator:
        config.write_text(
            f"kafka: {{idempotence: {str(broker.idempotent).lower()}, partitions: 2}}\n"
            f"providers: {{mine: {{base_url: '{simulator.base_url}'}}}}\n"
            "models:\n"
            "  - {name: gpt-4o-mini, provider: mine, tier: efficient}\n"
            "  - {name: gpt-4.1, provider: mine, tier: premium}\n"
        )
        async with _sluice(
            *("demo", "--json", "--tasks", str(tasks)),
            *("--config", str(config), "--brokers", broker.bootstrap),
        ) as demo:
            out, err = await demo.communicate()

    assert demo.returncode == 0, err.decode()
    summary = json.loads(out)
    _check_identities(summary)
    assert (summary["tasks"], summary["completed"], summary["dead_lettered"]) == (6, 5, 1)
    assert (summary["broker"], summary["failovers"]) == ("external", 0)
    assert simulator.stats()["total"]["ok"] == 5


@pytest.mark.parametrize("moment", [b"A broker on this machine", b" a second"])
async def test_ctrl_c_stops_everything_that_was_started(moment: bytes) -> None:
    async with _sluice("demo", "--count", "60") as demo:
        await _until_said(demo, moment)
        children = _descendants(demo.pid)

        demo.send_signal(signal.SIGINT)
        out, _ = await demo.communicate()

    assert children
    assert demo.returncode == 128 + signal.SIGINT
    assert out == b""
    await _all_ended(children)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_nothing_survives_a_demo_that_is_killed() -> None:
    async with _sluice("demo", "--count", "60") as demo:
        await _until_said(demo, b" a second")
        children = _descendants(demo.pid)

        demo.kill()
        await demo.wait()

    assert len(children) >= 4
    await _all_ended(children)


async def test_a_part_that_ends_is_told_with_its_last_words() -> None:
    async with _sluice("demo", "--count", "60", "--json") as demo:
        await _until_said(demo, b" a second")
        router = next(pid for pid in _descendants(demo.pid) if b"router" in _command(pid))
        os.kill(router, signal.SIGKILL)
        out, err = await demo.communicate()

    assert demo.returncode == 1
    assert out == b""
    assert b"The router ended by itself, with exit code -9" in err
    assert b"router.started" in err
    log = Path(err.decode().rsplit("All of it is in ", 1)[1].strip().rstrip("."))
    assert b"router.started" in _content_of_removed(log)


def _content_of_removed(log: Path) -> bytes:
    """What is in it; its folder, which a failure leaves, goes."""
    content = log.read_bytes()
    shutil.rmtree(log.parent)
    return content


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def test_a_kafka_that_is_not_there_is_said_so() -> None:
    async with _sluice("demo", "--brokers", "127.0.0.1:1") as demo:
        out, err = await demo.communicate()

    assert (demo.returncode, out) == (1, b"")
    assert b"no Kafka broker answers at 127.0.0.1:1" in err


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_up_answers_tasks_until_it_is_stopped(tmp_path: Path, stop: signal.Signals) -> None:
    tasks, config = tmp_path / "tasks.jsonl", tmp_path / "sluice.yaml"
    tasks.write_text('{"task_id": "one", "prompt": "Say one"}\n')
    async with Simulator(speed=0) as simulator:
        config.write_text(
            f"providers: {{mine: {{base_url: '{simulator.base_url}'}}}}\n"
            "models: [{name: gpt-4o-mini, provider: mine, tier: efficient}]\n"
            "router: {http_port: 0}\n"
            "tables: {http_port: 0}\n"
        )
        async with _sluice("up", "--config", str(config), "--broker-port", "0", "--json") as up:
            assert up.stdout is not None
            facts = json.loads(await up.stdout.readline())
            async with _sluice(
                "submit", str(tasks), "--wait", "--json", "--brokers", facts["brokers"]
            ) as submit:
                answers, said = await submit.communicate()
            children = _descendants(up.pid)
            up.send_signal(stop)
            _, err = await up.communicate()

    assert submit.returncode == 0, said.decode()
    assert json.loads(answers)["model"] == "gpt-4o-mini"
    assert up.returncode == 0, err.decode()
    assert b"Drained and stopped" in err
    assert f"{facts['router']}/metrics".encode() in err
    await _all_ended(children)
