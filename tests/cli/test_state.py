"""`sluice state`: what it says, and that it fits."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from streams.cli.state import describe, show
from streams.config.settings import Kafka
from streams.state.partials import state_key
from streams.state.view import StateView
from streams.tables.folds import PartitionFold
from tests.calls import NOW, completed
from topics.codec import encode
from topics.events import CallStatus

LONG = "meta-llama/Llama-3.3-70B-Instruct-Turbo-Reference-Deployment"


def known(tenants: int = 30) -> dict[str, Any]:
    view = StateView(Kafka(), {})
    for partition in range(2):
        fold = PartitionFold(partition, lambda _: None)
        for offset in range(200):
            call = completed(
                offset,
                model=LONG if offset % 2 else "small",
                tenant=f"team-{offset % tenants}",
                tags=("[bold]not markup[/bold]",),
                status=CallStatus.SERVER if offset % 4 == 0 else CallStatus.OK,
                cost_nusd=123_456_789 * (offset % 5),
                started_at=NOW - 100 - 86_400 * (offset % 3),
            )
            fold.fold(call, offset, NOW)
        fold.settle(NOW)
        for key, partial in fold.partials().items():
            view.partials.take(state_key(key.kind, key.scope, partition), encode(partial))
    return describe(view, NOW)


def shown(what: dict[str, Any], width: int) -> list[str]:
    out = io.StringIO()
    show(what, Console(file=out, width=width, highlight=False))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_the_terminal_and_cuts_no_number(width: int) -> None:
    lines = shown(known(), width)

    assert max(map(len, lines)) <= width
    assert not [line for line in lines if "…" in line and "more" not in line]
    assert lines[0].split() == ["spend", "today", "this", "month", "total", "calls", "tokens"]


def test_sums_and_health_are_those_of_all_partitions() -> None:
    what = known()

    everything = what["spend"][0]
    small = next(row for row in what["health"] if row["model"] == "small")
    assert (everything["scope"], everything["total"]["calls"]) == ("all", 400)
    assert everything["total"]["cost_usd"] == pytest.approx(800 * 0.123456789)
    assert (small["ok"], small["failed"], small["rejected"]) == (34, 34, 0)


def test_the_dearest_tenants_are_shown_and_the_rest_counted() -> None:
    lines = shown(known(tenants=30), 120)

    assert sum(line.startswith("tenant:") for line in lines) == 20
    assert any("10 more (tenant)" in line for line in lines)


def test_names_are_not_markup() -> None:
    assert any("tag:[bold]not markup[/bold]" in line for line in shown(known(), 120))


def test_nothing_known_says_what_to_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(describe(StateView(Kafka(), {}), NOW), 80) == []
    assert "sluice worker tables" in capsys.readouterr().err
