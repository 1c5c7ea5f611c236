"""Which broker is chosen on which machine, and what is said when there is none. Programs are scripts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams.embedded.broker import Machine, NoBrokerError, UnavailableError, choose
from streams.embedded.broker.jars import KAFKA_VERSION, kafka_jars

if TYPE_CHECKING:
    from pathlib import Path

JAVA_17 = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2"
JAVA_8 = "echo 'java version \"1.8.0_401\"' >&2"
MVN_THAT_BRINGS_JARS = """
for argument in "$@"; do case $argument in -DoutputDirectory=*) out=${argument#*=};; esac; done
/bin/mkdir -p "$out"
echo fetched >> "${0%/*}/fetches"
/bin/sleep 0.3
: > "$out/kafka_2.13-4.4.0.jar"
"""
MVN_THAT_FAILS = "echo '[ERROR] Could not transfer artifact'; exit 1"


def _no_tansu() -> Path:
    reason = "the Tansu broker is not installed"
    raise UnavailableError(reason)


def _silent(_sentence: str) -> None:
    """Nobody listens."""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


@pytest.fixture
def machine(tmp_path: Path, programs: Path) -> Machine:
    """A machine with Tansu and nothing else, but for what a test puts into `programs`."""
    return Machine(path=str(programs), cache_dir=tmp_path / "cache", find_tansu=lambda: programs / "tansu")


@pytest.fixture
def bare_machine(tmp_path: Path, programs: Path) -> Machine:
    """The same without Tansu."""
    return Machine(path=str(programs), cache_dir=tmp_path / "cache", find_tansu=_no_tansu)


def _install(folder: Path, name: str, script: str) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


async def test_without_java_tansu_is_chosen_and_the_reason_kept(machine: Machine) -> None:
    choice = await choose("auto", machine, _silent)

    assert choice.program.kind == "tansu"
    assert choice.passed_over == {"kafka": "there is no `java` on PATH"}


async def test_an_old_java_is_passed_over(machine: Machine, programs: Path) -> None:
    _install(programs, "java", JAVA_8)

    choice = await choose("auto", machine, _silent)

    assert choice.program.kind == "tansu"
    assert "is Java 8" in choice.passed_over["kafka"]


async def test_java_without_jars_or_maven_is_passed_over(machine: Machine, programs: Path) -> None:
    _install(programs, "java", JAVA_17)

    choice = await choose("auto", machine, _silent)

    assert choice.program.kind == "tansu"
    assert "no Maven" in choice.passed_over["kafka"]


async def test_java_and_maven_give_kafka_and_the_fetch_is_announced(machine: Machine, programs: Path) -> None:
    _install(programs, "java", JAVA_17)
    _install(programs, "mvn", MVN_THAT_BRINGS_JARS)
    said: list[str] = []

    choice = await choose("auto", machine, said.append)

    assert choice.program.kind == "kafka"
    assert choice.passed_over == {}
    assert said[0] == f"fetching Apache Kafka {KAFKA_VERSION} once, 43 MB ..."


async def test_concurrent_starts_fetch_the_jars_once(machine: Machine, programs: Path) -> None:
    _install(programs, "mvn", MVN_THAT_BRINGS_JARS)

    found = await asyncio.gather(*(kafka_jars(machine, _silent) for _ in range(3)))

    assert len({jars.folder for jars in found}) == 1
    assert (programs / "fetches").read_text().split() == ["fetched"]


async def test_a_failed_fetch_says_what_maven_said_and_leaves_nothing_behind(
    machine: Machine, programs: Path
) -> None:
    _install(programs, "mvn", MVN_THAT_FAILS)

    with pytest.raises(UnavailableError, match="Could not transfer artifact"):
        await kafka_jars(machine, _silent)

    assert [file.name for file in machine.cache_dir.iterdir()] == [f"kafka-{KAFKA_VERSION}.lock"]


async def test_the_users_own_jars_are_used_without_maven(tmp_path: Path, programs: Path) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13-4.1.1.jar").touch()
    machine = Machine(path=str(programs), cache_dir=tmp_path / "cache", jars_dir=tmp_path / "libs")

    jars = await kafka_jars(machine, _silent)

    assert (jars.folder, jars.version) == (tmp_path / "libs", "4.1.1")


async def test_a_folder_without_kafka_is_refused_by_name(tmp_path: Path, programs: Path) -> None:
    machine = Machine(path=str(programs), cache_dir=tmp_path / "cache", jars_dir=tmp_path / "nowhere")

    with pytest.raises(UnavailableError, match=r"nowhere \(from SLUICE_KAFKA_JARS\)"):
        await kafka_jars(machine, _silent)


async def test_nothing_available_names_every_reason_and_the_cure(bare_machine: Machine) -> None:
    with pytest.raises(NoBrokerError, match="Install Java 17") as caught:
        await choose("auto", bare_machine, _silent)

    assert caught.value.reasons == {
        "kafka": "there is no `java` on PATH",
        "tansu": "the Tansu broker is not installed",
    }


async def test_kafka_asked_for_by_name_is_not_replaced(machine: Machine) -> None:
    with pytest.raises(NoBrokerError) as caught:
        await choose("kafka", machine, _silent)

    assert list(caught.value.reasons) == ["kafka"]


def test_the_environment_says_where_to_look(tmp_path: Path) -> None:
    machine = Machine.here(
        {
            "PATH": "/programs",
            "JAVA_HOME": "/java",
            "XDG_CACHE_HOME": str(tmp_path),
            "SLUICE_KAFKA_JARS": str(tmp_path / "libs"),
        }
    )

    assert machine.path == "/programs"
    assert str(machine.java_home) == "/java"
    assert machine.cache_dir == tmp_path / "sluice"
    assert machine.jars_dir == tmp_path / "libs"
