"""`sluice simulate` as a process: what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from streams.config.settings import Model
from streams.embedded.simulator import load_models

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.system

COMMAND = "import typer; from streams.cli.simulate import simulate; typer.run(simulate)"
WITHOUT_PYARROW = f"import sys; sys.modules['pyarrow'] = None; {COMMAND}"


@asynccontextmanager
async def _command(*arguments: str, command: str = COMMAND) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", command, *arguments, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(30):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _serving(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    facts: dict[str, Any] = json.loads(await process.stdout.readline())
    return facts


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_it_is_stopped(stop: signal.Signals) -> None:
    async with _command("--port", "0", "--speed", "0", "--json") as process:
        facts = await _serving(process)
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
        async with httpx.AsyncClient() as client:
            response = await client.post(f"{facts['base_url']}/chat/completions", json=body)
        process.send_signal(stop)
        out, err = await process.communicate()

    assert response.status_code == 200
    assert process.returncode == 0
    assert len(facts["models"]) == 6
    assert out == b""
    assert "gpt-4o-mini" in err.decode()
    assert facts["base_url"] in err.decode()
    assert "Traceback" not in err.decode()


async def test_it_stops_with_calls_in_flight(tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text("- {name: slow, ttft_s: 600}")
    async with _command("--port", "0", "--json", "--models", str(models)) as process:
        facts = await _serving(process)
        body = {"model": "slow", "messages": [{"role": "user", "content": "Hello"}]}
        async with httpx.AsyncClient(timeout=30) as client, asyncio.TaskGroup() as group:
            call = group.create_task(_outcome(client, f"{facts['base_url']}/chat/completions", body))
            await _one_in_flight(client, facts["url"])
            process.send_signal(signal.SIGTERM)
            _, err = await process.communicate()

    assert process.returncode == 0
    assert call.result() == "broken"
    assert "Traceback" not in err.decode()


async def _one_in_flight(client: httpx.AsyncClient, url: str) -> None:
    while (await client.get(f"{url}/admin/stats")).json()["total"]["in_flight"] == 0:  # noqa: ASYNC110 - elsewhere
        await asyncio.sleep(0.01)


async def _outcome(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> str:
    try:
        await client.post(url, json=body)
    except httpx.TransportError:
        return "broken"
    return "answered"


async def test_a_port_that_is_taken_is_exit_code_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with _command("--port", str(port)) as process:
            _, err = await process.communicate()

    assert process.returncode == 1
    assert f"Cannot listen at http://127.0.0.1:{port}" in err.decode()
    assert "Traceback" not in err.decode()


async def test_a_file_that_cannot_be_used_is_exit_code_2(tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text("- {name: a, colour: red}")
    for arguments in (("--models", str(models)), ("--outcomes", str(tmp_path / "gone.parquet"))):
        async with _command(*arguments) as process:
            _, err = await process.communicate()

        assert process.returncode == 2
        assert arguments[1].rsplit("/", 1)[-1] in err.decode()
        assert "Traceback" not in err.decode()


async def test_without_pyarrow_it_serves_and_says_what_tables_need(tmp_path: Path) -> None:
    async with _command("--port", "0", "--json", command=WITHOUT_PYARROW) as process:
        facts = await _serving(process)
    async with _command("--outcomes", str(tmp_path / "t.parquet"), command=WITHOUT_PYARROW) as process:
        _, err = await process.communicate()

    assert len(facts["models"]) == 6
    assert process.returncode == 2
    assert "pip install 'sluice[embedded]'" in err.decode()


async def test_printed_models_are_entries_of_sluice_yaml_and_of_models_files(tmp_path: Path) -> None:
    rows = {"prompt": ["p", "q"], "model": ["org/a", "b"], "cost_usd": [0.001, None], "score": [1.0, 0.5]}
    parquet.write_table(pa.table(rows), tmp_path / "table.parquet")
    async with _command("--outcomes", str(tmp_path / "table.parquet"), "--print-models") as process:
        out, _ = await process.communicate()

    assert process.returncode == 0
    printed = yaml.safe_load(out)
    b, a = [Model.model_validate(entry) for entry in printed["models"]]
    assert (a.name, b.name, b.prices) == ("org/a", "b", None)
    assert a.prices is not None
    assert a.prices.request_usd == pytest.approx(0.001)
    assert printed["providers"]["simulated"]["base_url"] == "http://127.0.0.1:8099/v1"
    (tmp_path / "models.yaml").write_bytes(out)
    assert [model.name for model in load_models(tmp_path / "models.yaml")] == ["b", "org/a"]
