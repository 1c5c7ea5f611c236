""".ci/check_demo.py: what it lets pass and what not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

SCRIPT: Final = Path(__file__).parents[2] / ".ci" / "check_demo.py"
GOOD: Final[dict[str, Any]] = {
    "tasks": 303,
    "completed": 299,
    "failed": 1,
    "dead_lettered": 3,
    "lost": 0,
    "duplicates": 0,
    "saving": 0.8,
    "broker": "kafka",
    "duration_s": 18.2,
}


def _check(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT], input=text, capture_output=True, text=True, check=False)


def test_good_figures_pass_and_are_shown() -> None:
    done = _check(json.dumps(GOOD))

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == GOOD


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"completed": 298}, "tasks =="),
        ({"completed": 298, "lost": 1}, "lost == 0"),
        ({"duplicates": 1}, "duplicates == 0"),
        ({"dead_lettered": 2, "failed": 2}, "dead_lettered == 3"),
        ({"saving": -0.1}, "0 < saving < 1"),
        ({"duration_s": 61.0}, "duration_s < 60"),
        ({"broker": "none"}, "broker is kafka"),
    ],
)
def test_every_other_figure_is_named(change: dict[str, Any], complaint: str) -> None:
    done = _check(json.dumps(GOOD | change))

    assert done.returncode == 1
    assert f"does not hold: {complaint}" in done.stderr


@pytest.mark.parametrize("text", ["", "Traceback", "[]", "{}"])
def test_what_is_no_summary_fails(text: str) -> None:
    assert _check(text).returncode == 1
