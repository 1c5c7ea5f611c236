"""Starting and stopping when things go wrong; the brokers here are small scripts in Tansu's place."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streams.embedded.broker import (
    BrokerStartError,
    DataFolderError,
    EmbeddedBroker,
    Machine,
    PortTakenError,
)
from streams.embedded.broker.folders import open_kept, open_temporary
from streams.embedded.broker.ports import LOOPBACK, pick_free
from streams.embedded.broker.process import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Iterator


def _machine_whose_tansu_is(script: str, tmp_path: Path) -> Machine:
    program = tmp_path / "tansu"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Machine(path="", cache_dir=tmp_path / "cache", temp_dir=tmp_path, find_tansu=lambda: program)


def _broker_folders(root: Path) -> list[Path]:
    return list(root.glob("sluice-broker-*"))


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server((LOOPBACK, pick_free())) as server:
        yield server.getsockname()[1]


async def test_a_taken_port_is_named_before_anything_is_started(taken_port: int) -> None:
    with pytest.raises(PortTakenError, match=f"Port {taken_port} .* is taken"):
        await EmbeddedBroker(port=taken_port).start()


async def test_a_broker_that_ends_shows_its_last_words(tmp_path: Path) -> None:
    machine = _machine_whose_tansu_is("echo 'the disk is on fire'; exit 3", tmp_path)

    with pytest.raises(BrokerStartError, match="the disk is on fire") as caught:
        await EmbeddedBroker("tansu", machine=machine).start()

    assert caught.value.exit_code == 3
    assert "Install Java 17" in str(caught.value)


async def test_a_broker_that_never_serves_is_given_up_and_ended(tmp_path: Path) -> None:
    machine = _machine_whose_tansu_is(f"echo $$ > {tmp_path}/pid; exec /bin/sleep 600", tmp_path)
    broker = EmbeddedBroker("tansu", machine=machine, start_deadline_s=0.5)

    with pytest.raises(BrokerStartError, match="did not serve"):
        await broker.start()

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert _broker_folders(tmp_path) == []


async def test_a_process_that_ignores_sigterm_is_killed_after_the_deadline(tmp_path: Path) -> None:
    child = ChildProcess(
        ["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do /bin/sleep 0.05; done"], tmp_path / "out"
    )
    while "deaf" not in child.tail():
        await child.exited(deadline_s=0.05)

    await child.stop(deadline_s=0.2)

    assert child.exit_code == -signal.SIGKILL


async def test_the_tail_is_of_this_run_only(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.write_text("an earlier run\n")

    child = ChildProcess(["/bin/echo", "this run"], output)
    await child.exited()

    assert child.tail() == "this run"


def test_a_kept_folder_has_one_user_at_a_time(tmp_path: Path) -> None:
    first = open_kept(tmp_path / "data")

    with pytest.raises(DataFolderError, match="another broker of Sluice works in it"):
        open_kept(tmp_path / "data")
    first.close()

    open_kept(tmp_path / "data").close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DataFolderError, match="file/data cannot be used"):
        open_kept(tmp_path / "file" / "data")


def test_temporary_folders_of_dead_owners_are_swept_and_others_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sluice-broker-dead").mkdir()
    (tmp_path / "sluice-broker-dead" / "owner.lock").touch()
    alive = open_temporary(tmp_path)

    open_temporary(tmp_path).close()

    assert [folder.name for folder in tmp_path.iterdir()] == [alive.path.name]
    alive.close()
    assert list(tmp_path.iterdir()) == []


def test_using_a_broker_that_is_not_started_says_so() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        _ = EmbeddedBroker(machine=Machine(path="", cache_dir=Path())).bootstrap
