"""What is installed: the wheel in an environment of its own, pinned versions, one-way imports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
import venv
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[1]
CONSTRAINTS: Final = ROOT / "constraints.txt"
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: Final[dict[str, list[str]]] = PROJECT["optional-dependencies"]

HELP_WITHIN_S: Final = 0.5

PRESENT: Final = {
    "streams": [
        "py.typed",
        "config/example.yaml",
        "embedded/tasks/requests.jsonl",
        "embedded/broker/guard.py",
    ],
    "topics": ["py.typed", "schemas/asyncapi.json", "schemas/Task.v1.json"],
}
"""What must be in the wheel beside the modules that others import."""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _direct_dependencies() -> set[str]:
    wanted = [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
    names = {_normal(re.split(r"[^A-Za-z0-9._-]", requirement)[0]) for requirement in wanted}
    return names - {"sluice"}


def test_constraints_are_pins_without_addresses() -> None:
    lines = CONSTRAINTS.read_text().splitlines()

    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []


def test_every_direct_dependency_is_pinned() -> None:
    pinned = {_normal(line.split("==")[0]) for line in CONSTRAINTS.read_text().splitlines()}

    assert _direct_dependencies() - pinned == set()


def test_every_direct_dependency_is_accounted_for() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    cells = [name.split("(")[0].strip() for row in rows for name in row.split(",")]

    assert {_normal(name) for name in cells} - {"package", "-"} == _direct_dependencies()


def test_imports_go_one_way() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that holds the built wheel, what it needs to run, and nothing else."""
    folder = tmp_path_factory.mktemp("packaging")
    # Relative: the variables are lists, split at blanks.
    environ = os.environ | {"PIP_CONSTRAINT": CONSTRAINTS.name, "PIP_BUILD_CONSTRAINT": CONSTRAINTS.name}
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = str(folder / "venv" / "bin" / "python")
    for arguments in (
        ["wheel", "--no-deps", "--wheel-dir", str(folder), "."],
        ["--python", python, "install", str(folder / f"sluice-{PROJECT['version']}-py3-none-any.whl")],
    ):
        done = subprocess.run(
            [*pip, *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return folder / "venv" / "bin"


def _run(installed: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # In the empty folder: the sources must not be found beside it.
    return subprocess.run(
        [installed / program, *arguments], cwd=installed, capture_output=True, text=True, check=False
    )


@pytest.mark.system
def test_the_installed_command_tells_its_version(installed: Path) -> None:
    assert _run(installed, "sluice", "--version").stdout == f"sluice {PROJECT['version']}\n"


@pytest.mark.system
def test_help_answers_at_once(installed: Path) -> None:
    took_s = []
    for _ in range(5):
        began = time.perf_counter()
        done = _run(installed, "sluice", "--help")
        took_s.append(time.perf_counter() - began)
        assert "demo" in done.stdout

    assert min(took_s) < HELP_WITHIN_S, took_s


@pytest.mark.system
def test_the_wheel_carries_its_data_and_not_the_tests(installed: Path) -> None:
    listed = _run(
        installed,
        "python",
        "-c",
        "import importlib.metadata as m, json; print(json.dumps([str(f) for f in m.files('sluice')]))",
    )
    files = set(json.loads(listed.stdout))

    assert {f"{package}/{name}" for package, names in PRESENT.items() for name in names} - files == set()
    assert {file.split("/")[0] for file in files if file.endswith(".py")} == {"streams", "topics"}
    assert f"sluice-{PROJECT['version']}.dist-info/licenses/LICENSE" in files


@pytest.mark.system
@pytest.mark.parametrize(
    "command",
    [
        ["topics", "asyncapi"],
        ["config", "schema"],
        ["simulate", "--print-models"],
        ["worker", "router", "--help"],
        ["worker", "tables", "--help"],
    ],
    ids=" ".join,
)
def test_commands_need_no_extra(installed: Path, command: list[str]) -> None:
    done = _run(installed, "sluice", *command)

    assert done.returncode == 0, done.stderr
