"""`sluice state`: what the tables last said, spend by scope and health by model. Reads without a group."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from streams.cli.options import (
    BrokersOption,
    Bus,
    ConfigOption,
    JsonOption,
    PrefixOption,
    fail,
    load,
    note,
    on_bus,
)

if TYPE_CHECKING:
    from rich.console import Console

    from streams.state.merge import Spend
    from streams.state.view import StateView
    from topics.events import SpendWindow

ROWS_PER_KIND = 20
NUSD = 1e-9
_KINDS = ("all", "model", "provider", "tenant", "type", "tag")
_BREAKER_STYLES = {"closed": "green", "half_open": "yellow", "open": "red"}


def state(
    config: ConfigOption = None,
    brokers: BrokersOption = None,
    prefix: PrefixOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show what is known right now: spend by scope, health and breaker by model."""
    kafka = load(config, brokers=brokers, prefix=prefix).kafka

    async def work(bus: Bus) -> dict[str, Any]:
        import os
        import time

        from streams.state.view import StateTopicMissingError, StateView

        try:
            async with StateView(bus.kafka, os.environ) as view:
                await view.caught_up()
                return describe(view, time.time())
        except StateTopicMissingError as error:
            fail(f"{error}, or name another --prefix")

    known = on_bus(kafka, work)
    if as_json:
        typer.echo(json.dumps(known, indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    from streams.cli.rendering import wide

    show(known, wide(Console(highlight=False)))


def describe(view: "StateView", now: float) -> dict[str, Any]:
    """Everything that is shown, as JSON can say it. Money in USD, times in seconds, UTC windows."""
    return {
        "at": now,
        "age_s": view.age_s(now),
        "spend": [_spend(view.spend(scope), now) for scope in view.partials.scopes()],
        "health": [_health(view, model, now) for model in view.partials.models()],
    }


def _spend(spend: "Spend", now: float) -> dict[str, Any]:
    from streams.state.windows import day_start, hour_start, month_start

    return {
        "scope": spend.scope,
        "updated_at": spend.updated_at,
        "this_hour": _window(spend.hours, hour_start(now)),
        "today": _window(spend.days, day_start(now)),
        "this_month": _window(spend.months, month_start(now)),
        "total": _sums(spend.total),
    }


def _window(windows: "tuple[SpendWindow, ...]", start: int) -> dict[str, Any]:
    from streams.state.merge import NOTHING_SPENT

    return _sums(next((window for window in windows if window.start == start), NOTHING_SPENT))


def _sums(window: "SpendWindow") -> dict[str, Any]:
    return {
        "calls": window.calls,
        "cost_usd": window.cost_nusd * NUSD,
        "input_tokens": window.input_tokens,
        "output_tokens": window.output_tokens,
    }


def _health(view: "StateView", model: str, now: float) -> dict[str, Any]:
    from streams.state.windows import HEALTH_WINDOW_S, latency_quantile_s

    health, summary = view.health(model), view.model_health(model, now)
    recent = [bucket for bucket in health.buckets if bucket.start > now - HEALTH_WINDOW_S]
    latency = [pair for bucket in recent for pair in bucket.latency]
    return {
        "model": model,
        "breaker": summary.breaker.value,
        "calls": summary.calls,
        "ok": sum(bucket.ok for bucket in recent),
        "failed": sum(bucket.failed for bucket in recent),
        "throttled": sum(bucket.throttled for bucket in recent),
        "rejected": sum(bucket.rejected for bucket in recent),
        "latency_p50_s": latency_quantile_s(latency, 0.5),
        "latency_p95_s": latency_quantile_s(latency, 0.95),
        "last_ok_at": health.last_ok_at,
        "last_failed_at": health.last_failed_at,
    }


def show(known: dict[str, Any], console: "Console") -> None:
    """Print it as tables."""
    if not known["spend"] and not known["health"]:
        note("nothing is known yet: no tables have run; start them with `sluice worker tables`")
        return
    _show_spend(known["spend"], console)
    if known["health"]:
        console.print()
        _show_health(known, console)
    age_s = known["age_s"]
    note(
        "some partitions have no tables yet" if age_s is None else f"as of {_ago(age_s)} ago; windows are UTC"
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """The scopes of one kind, dearest first."""

    kind: str
    rows: list[dict[str, Any]]


def _groups(spend: list[dict[str, Any]]) -> list[_Group]:
    groups = []
    for kind in _KINDS:
        rows = [row for row in spend if row["scope"].split(":", 1)[0] == kind]
        rows.sort(key=lambda row: (-row["total"]["cost_usd"], row["scope"]))
        groups.append(_Group(kind, rows))
    return [group for group in groups if group.rows]


def _show_spend(spend: list[dict[str, Any]], console: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    from streams.cli.rendering import safe, usd

    table = Table(box=None, pad_edge=False)
    table.add_column("spend", overflow="fold", min_width=12)
    for heading in ("today", "this month", "total", "calls", "tokens"):
        table.add_column(heading, justify="right", no_wrap=True)
    for group in _groups(spend):
        for row in group.rows[:ROWS_PER_KIND]:
            total = row["total"]
            cells = [usd(row[window]["cost_usd"]) for window in ("today", "this_month", "total")]
            tokens = total["input_tokens"] + total["output_tokens"]
            style = "bold" if group.kind == "all" else None
            table.add_row(
                Text(safe(row["scope"])), *cells, f"{total['calls']:,}", _count(tokens), style=style
            )
        if len(group.rows) > ROWS_PER_KIND:
            more = f"… {len(group.rows) - ROWS_PER_KIND:,} more ({group.kind})"
            table.add_row(more, style="dim")
    console.print(table)
    if any(len(group.rows) > ROWS_PER_KIND for group in _groups(spend)):
        note("the dearest of each kind are shown; --json has all")


def _show_health(known: dict[str, Any], console: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    from streams.cli.rendering import safe, seconds

    table = Table(box=None, pad_edge=False)
    table.add_column("health (5 minutes)", overflow="fold", min_width=18)
    for heading in ("breaker", "calls", "ok", "p50", "p95", "last failure"):
        table.add_column(heading, justify="left" if heading == "breaker" else "right", no_wrap=True)
    for row in known["health"]:
        counted = row["calls"] - row["rejected"]
        last = row["last_failed_at"]
        table.add_row(
            Text(safe(row["model"])),
            Text(row["breaker"].replace("_", "-"), style=_BREAKER_STYLES[row["breaker"]]),
            f"{row['calls']:,}",
            f"{row['ok'] / counted:.1%}" if counted else "-",
            *(
                "-" if row[name] is None else seconds(row[name])
                for name in ("latency_p50_s", "latency_p95_s")
            ),
            "-" if last is None else f"{_ago(known['at'] - last)} ago",
        )
    console.print(table)


def _count(number: int) -> str:
    for limit, unit in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if number >= limit:
            return f"{number / (1000 if unit == 'k' else limit):.1f}{unit}"
    return f"{number:,}"


def _ago(duration_s: float) -> str:
    for limit_s, unit_s, unit in ((172_800, 86_400, "d"), (7_200, 3_600, "h"), (120, 60, "min")):
        if duration_s >= limit_s:
            return f"{duration_s / unit_s:.0f} {unit}"
    return f"{max(0.0, duration_s):.1f} s" if duration_s < 10 else f"{duration_s:.0f} s"  # noqa: PLR2004 - looks
