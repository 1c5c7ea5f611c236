"""`sluice broker` as a process: what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from streams.embedded.broker.ports import LOOPBACK, pick_free
from streams.embedded.broker.ready import any_answers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.system

COMMAND = "import typer; from streams.cli.broker import broker; typer.run(broker)"


@asynccontextmanager
async def _command(*arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, "--kind", "tansu", *arguments, stdout=PIPE, stderr=PIPE
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
    async with _command("--port", "0", "--json") as process:
        facts = await _serving(process)
        served = await any_answers(facts["bootstrap"])

        process.send_signal(stop)
        await process.communicate()

    assert served
    assert (facts["kind"], facts["durable"], facts["idempotent"]) == ("tansu", False, False)
    assert process.returncode == 0
    assert not await any_answers(facts["bootstrap"])


async def test_without_json_all_words_go_to_stderr() -> None:
    port = pick_free()
    async with _command("--port", str(port)) as process:
        assert process.stderr is not None
        said = b""
        while b"Ctrl-C stops it" not in said:
            said += await process.stderr.readline()
        process.terminate()
        out, _ = await process.communicate()

    assert f"Connect with bootstrap servers 127.0.0.1:{port}".encode() in said
    assert out == b""


async def test_a_broker_that_dies_ends_the_command_with_its_last_words() -> None:
    async with _command("--port", "0", "--json") as process:
        facts = await _serving(process)

        os.kill(facts["pid"], signal.SIGKILL)
        _, error = await process.communicate()

    assert process.returncode == 1
    assert b"ended by itself, with exit code -9" in error
    assert b"listening on" in error


async def test_a_taken_port_is_an_error_with_its_cure() -> None:
    with socket.create_server((LOOPBACK, pick_free())) as server:
        port = server.getsockname()[1]
        async with _command("--port", str(port)) as process:
            _, error = await process.communicate()

    assert process.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken".encode() in error
    assert b"Choose another port" in error
