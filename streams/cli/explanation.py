"""A decision and what came of it, laid out for a person. Reads nothing; rich renders it at any width from 80."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from streams.cli.rendering import first_lines, instant, safe, saving, seconds, usd
from streams.registry.prices import usd as usd_of
from topics.events import CallStatus, ResultStatus

if TYPE_CHECKING:
    from topics.events import CallCompleted, TaskCompleted, TaskRouted

WIDE = 100
"""Columns from which less important numbers are shown too."""
ANSWER_LINES = 5
_GROUP_ORDER = {"use": 0, "fallback": 1, "out": 2}


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one task."""

    decision: TaskRouted
    calls: tuple[CallCompleted, ...] = ()
    result: TaskCompleted | None = None
    other_decisions: int = 0
    """Decisions on other records with the same task id."""
    origin: str | None = None
    """Where the task stands, if not on a topic."""


def explanation(story: Story, width: int) -> Group:
    """All of it."""
    parts: list[RenderableType] = [_title(story), *_section("Understood", _understood(story.decision))]
    parts += _section("Chosen", _chosen(story.decision))
    parts += _section("Candidates", _candidates(story.decision, width))
    if story.calls:
        parts += _section("Calls", _calls(story))
    parts += _section("Cost", _cost(story))
    if story.result is not None:
        parts += _section("Answer" if story.result.answer else "No answer", _answer(story.result, width))
    return Group(*parts)


def _section(heading: str, *body: RenderableType) -> list[RenderableType]:
    return [Text(), Text(heading, style="bold"), *(Padding(part, (0, 0, 0, 2)) for part in body)]


def _facts(*rows: tuple[str, str]) -> Table:
    """Names and what they stand for; rows without a value are left out."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(name, Text(safe(value)))
    return table


def _title(story: Story) -> Group:
    decision, result = story.decision, story.result
    if decision.failure_code:
        status, style = decision.failure_code, "red"
    elif result is None:
        status, style = ("called, no result yet" if story.calls else "decided"), "yellow"
    elif result.status is ResultStatus.COMPLETED:
        status, style = "completed", "green"
    else:
        status, style = result.failure.code if result.failure else "failed", "red"
    head = Text.assemble((f"Task {safe(decision.task_id)}", "bold"), "  ", (safe(status), style))
    decided = "" if decision.decided_at == 0 else f"{instant(decision.decided_at)}, "
    elapsed = "" if decision.elapsed_us is None else f", in {decision.elapsed_us:.0f} µs"
    others = f"; {story.other_decisions} earlier with this id" if story.other_decisions else ""
    return Group(
        head,
        Padding(
            _facts(
                ("from", story.origin or decision.source),
                ("decided", f"{decided}policy {decision.fingerprint}, seed {decision.seed}{elapsed}{others}"),
            ),
            (0, 0, 0, 2),
        ),
    )


def _understood(decision: TaskRouted) -> Table:
    f = decision.features
    capabilities = ", ".join(f.capabilities)

    def told(name: str, value: str) -> str:
        return f"{value} (assumed)" if name in f.inferred else value

    return _facts(
        ("type", told("type", f.type)),
        ("tenant", told("tenant", f.tenant)),
        ("tags", ", ".join(f.tags)),
        ("language", f.language or ""),
        ("needs", capabilities),
        ("size", f"{f.words:,} word{'' if f.words == 1 else 's'}, about {f.input_tokens:,} input tokens"),
        ("answer", told("max_tokens", f"at most {f.max_tokens:,} tokens")),
    )


def _chosen(decision: TaskRouted) -> Group:
    steps = Table.grid(padding=(0, 2, 0, 0))
    steps.add_column(justify="right")
    steps.add_column(style="bold", overflow="fold")
    steps.add_column(overflow="fold")
    for number, step in enumerate(decision.plan.steps, 1):
        role = "is called" if number == 1 else "stands in"
        steps.add_row(
            f"{number}.",
            Text(safe(step.model)),
            f"{role}: at most {step.max_tokens:,} tokens of answer, at most {usd(step.reserved_usd)}",
        )
    rows = [("because", decision.reason)]
    rows += [(note.name, note.did) for note in decision.strategies]
    rows += [("state", _state(decision))]
    return Group(*([steps] if decision.plan.steps else []), _facts(*rows))


def _state(decision: TaskRouted) -> str:
    inputs = decision.inputs
    if inputs.age_s is None:
        return "nothing was known of spend and health"
    known = [
        f"{one.model}: breaker {one.breaker}, {one.failures} of {one.calls} calls failed"
        for one in inputs.models
        if one.failures or one.breaker != "closed"
    ]
    return f"{seconds(inputs.age_s)} old; " + ("; ".join(known) or "all models healthy")


def _candidates(decision: TaskRouted, width: int) -> Table:
    c = decision.candidates
    place = {step.model: number for number, step in enumerate(decision.plan.steps, 1)}
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("model", overflow="fold")
    table.add_column("group", no_wrap=True)
    table.add_column("cost", justify="right", no_wrap=True)
    if width >= WIDE:
        table.add_column("at worst", justify="right", no_wrap=True)
    table.add_column("latency", justify="right", no_wrap=True)
    table.add_column("quality", justify="right", no_wrap=True)
    if "out" in c.group:
        table.add_column("out because", overflow="fold", min_width=18)
    order = sorted(
        range(len(c.models)),
        key=lambda i: (
            place.get(c.models[i], len(place) + 1),
            _GROUP_ORDER.get(c.group[i], 3),
            c.expected_cost_usd[i],
        ),
    )
    for i in order:
        name = c.models[i]
        out = c.group[i] == "out"
        row: list[RenderableType] = [
            str(place.get(name, "")),
            Text(safe(name), style="bold" if name in place else ""),
            c.group[i],
            usd(c.expected_cost_usd[i]),
            *([usd(c.worst_cost_usd[i])] if width >= WIDE else []),
            seconds(c.expected_latency_s[i]),
            f"{c.quality[i]:.2f}",
        ]
        if "out" in c.group:
            reasons = "; ".join(c.excluded.get(name, ())) or ("not named by the policy" if out else "")
            row.append(Text(safe(reasons)))
        table.add_row(*row, style="dim" if out else "")
    return table


def _calls(story: Story) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("step", no_wrap=True)
    table.add_column("model", overflow="fold")
    table.add_column("ended", overflow="fold")
    for heading in ("cost", "latency", "tokens"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("checks", overflow="fold")
    for call in sorted(story.calls, key=lambda call: (call.step, call.attempt, call.repeat)):
        again = call.attempt + call.repeat
        checks = ", ".join(
            f"{one.name} {_verdict(one.passed)}"
            + (f" ({one.reason})" if one.reason and one.passed is False else "")
            for one in call.checks
        )
        ok = call.status is CallStatus.OK
        ended = call.status.value if ok or not call.error else f"{call.status.value}: {call.error}"
        table.add_row(
            f"{call.step + 1}" + (f", again {again}" if again else ""),
            Text(safe(call.model)),
            Text(safe(ended), style="green" if ok else "red"),
            usd(usd_of(call.cost_nusd)),
            seconds(call.latency_s),
            f"{call.usage.input_tokens:,} → {call.usage.output_tokens:,}",
            Text(safe(checks)),
        )
    return table


def _verdict(passed: bool | None) -> str:
    return {True: "passed", False: "failed", None: "undecided"}[passed]


def _cost(story: Story) -> Table:
    decision, result = story.decision, story.result
    best = _best(decision)
    if result is not None:
        spent, label = result.cost_usd, "spent"
        what = f"for {len(result.calls)} call{'' if len(result.calls) == 1 else 's'}"
    elif story.calls:
        spent, label = usd_of(sum(call.cost_nusd for call in story.calls)), "spent"
        what = "so far"
    elif decision.plan.steps:
        first = decision.candidates.models.index(decision.plan.steps[0].model)
        spent, label, what = decision.candidates.expected_cost_usd[first], "expected", "for one call"
    else:
        return _facts(("spent", "nothing"))
    baseline = decision.baseline_usd if result is None else result.baseline_usd
    basis = "expected" if result is None else "for the same tokens"
    comparison = saving(spent, baseline)
    return _facts(
        (label, f"{usd(spent)} {what}"),
        ("best model", f"{usd(baseline)} {basis}{best}" if baseline else ""),
        ("so", f"{comparison} than with the best model" if comparison else ""),
        ("reserved", f"{usd(decision.reserved_usd)} counts as spent should the router die in a call"),
    )


def _best(decision: TaskRouted) -> str:
    c = decision.candidates
    named = [
        name
        for name, quality, cost in zip(c.models, c.quality, c.expected_cost_usd, strict=True)
        if quality == max(c.quality) and abs(cost - decision.baseline_usd) < 1e-9  # noqa: PLR2004 - a nano-dollar
    ]
    return f" with {named[0]}" if named else ""


def _answer(result: TaskCompleted, width: int) -> RenderableType:
    if result.answer is None:
        failure = result.failure
        return Text("unknown" if failure is None else safe(f"{failure.code}: {failure.message}"), style="red")
    lines = first_lines(result.answer.content or "", width - 2, ANSWER_LINES)
    if result.answer.tool_calls:
        lines.append(f"[{len(result.answer.tool_calls)} tool calls]")
    facts = f"{result.model}, after {seconds(result.latency_s)}, {instant(result.completed_at)}"
    return Group(Text(safe(facts), style="dim"), Text("\n".join(lines)))
