"""The examples do what they say: each runs as a process against a real broker with a router at work."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.router import harness
from topics import catalog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.bus

EXAMPLES = Path(__file__).parents[2] / "examples"
DEADLINE_S = 90.0


@pytest.fixture
async def provider() -> AsyncIterator[harness.Provider]:
    """Answers with the name of the model."""
    async with harness.provider() as scripted:
        yield scripted


@pytest.fixture
async def bus(broker: Any, topic_prefix: str, provider: harness.Provider) -> AsyncIterator[harness.Bus]:
    """Topics with a router at work."""
    made = harness.Bus(broker.bootstrap, topic_prefix, broker.idempotent)
    await made.apply()
    async with harness.running(harness.settings(made, provider.url)):
        yield made


async def run(bus: harness.Bus, *command: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of an example."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "KAFKA_BROKERS": bus.bootstrap, "SLUICE_PREFIX": bus.prefix},
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, out.decode(), err.decode()


async def run_python(bus: harness.Bus, name: str, *arguments: str) -> tuple[int, str, str]:
    return await run(bus, sys.executable, str(EXAMPLES / name), *arguments)


async def test_aiokafka_asks_and_prints_the_answer(bus: harness.Bus) -> None:
    code, out, err = await run_python(bus, "produce_and_read_aiokafka.py", "Say hello.")
    assert (code, out) == (0, "small answers\n"), err
    assert err.startswith("small, $0.000015")


async def test_aiokafka_tells_why_there_is_no_answer(bus: harness.Bus, provider: harness.Provider) -> None:
    provider.down = set(harness.MODELS)
    code, out, err = await run_python(bus, "produce_and_read_aiokafka.py")
    assert (code, out) == (1, "")
    assert err.startswith("every model of the plan failed")


async def test_confluent_sends_a_file_and_reads_every_result_again_and_again(bus: harness.Bus) -> None:
    count = len((EXAMPLES / "tasks.jsonl").read_text().splitlines())
    for _ in range(2):  # in one group: the second run goes on where the first one was
        code, out, err = await run_python(bus, "produce_and_read_confluent.py")
        assert code == 0, err
        assert out.count("small answers") == count
    assert await bus.count(catalog.TASK_COMPLETED) == 2 * count


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed (apt-get install kcat)")
async def test_kcat_publishes_a_line_of_json_and_reads_one(bus: harness.Bus) -> None:
    code, out, err = await run(bus, str(EXAMPLES / "kcat.sh"), 'Say "hello"\nwith a \\ in it.')
    assert code == 0, err
    result = json.loads(out)
    assert result["answer"]["content"] == "small answers"
    assert result["task_id"].startswith("kcat-")
