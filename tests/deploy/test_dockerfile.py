"""deploy/Dockerfile: builds from what is there, runs without privileges, and knows when a role is not well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.config.settings import Settings
from streams.embedded.broker.ports import LOOPBACK, pick_free

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.contract

ROOT: Final = Path(__file__).parents[2]
LINES: Final = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", "").splitlines()


def _instructions(word: str) -> list[str]:
    return [line.removeprefix(f"{word} ") for line in LINES if line.startswith(f"{word} ")]


def test_it_copies_what_is_there_and_reaches_the_builder() -> None:
    copied = {
        source for line in _instructions("COPY") if "--from" not in line for source in line.split()[:-1]
    }
    sent = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}

    assert copied == sent
    assert {source for source in copied if not (ROOT / source).exists()} == set()


def test_it_runs_as_a_user_without_privileges() -> None:
    assert _instructions("USER") == ["sluice"]
    last_stage = max(number for number, line in enumerate(LINES) if line.startswith("FROM "))
    assert LINES.index("USER sluice") > last_stage


def test_its_entry_point_is_the_command_and_its_default_is_help() -> None:
    assert [json.loads(line) for line in _instructions("ENTRYPOINT")] == [["sluice"]]
    (default,) = (json.loads(line) for line in _instructions("CMD"))
    assert CliRunner().invoke(app, default).exit_code == 0


def _environment() -> dict[str, str]:
    pairs = [pair.split("=", 1) for line in _instructions("ENV") for pair in line.split()]
    return dict(pairs)


def test_by_default_it_asks_where_a_router_answers() -> None:
    assert _environment()["HEALTH_PORT"] == str(Settings().router.http_port)
    assert _environment()["HEALTH_PATH"] == "/healthz"


@pytest.fixture
def serve() -> Iterator[Callable[[HTTPStatus], int]]:
    """Starts a server that answers /healthz with a status; gives its port."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: HTTPStatus) -> int:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/healthz" else HTTPStatus.NOT_FOUND)
                self.end_headers()

        servers.append(ThreadingHTTPServer((LOOPBACK, 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1].server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _health_check(port: int) -> int:
    """The exit code of the image's health check, which is its Python's; here this one's."""
    (line,) = _instructions("HEALTHCHECK")
    _python, *arguments = json.loads(line.split(" CMD ", 1)[1])
    environ = os.environ | _environment() | {"PATH": os.environ["PATH"], "HEALTH_PORT": str(port)}
    return subprocess.run(
        [sys.executable, *arguments], env=environ, capture_output=True, check=False
    ).returncode


def test_the_health_check_passes_where_the_role_is_well(serve: Callable[[HTTPStatus], int]) -> None:
    assert _health_check(serve(HTTPStatus.OK)) == 0


def test_the_health_check_fails_where_the_role_says_so(serve: Callable[[HTTPStatus], int]) -> None:
    assert _health_check(serve(HTTPStatus.SERVICE_UNAVAILABLE)) == 1


def test_the_health_check_fails_where_nothing_answers() -> None:
    assert _health_check(pick_free()) == 1
