"""The demo's arithmetic: what became of records, and what it cost, from events in any order."""

from __future__ import annotations

import random
from typing import Any

import pytest

from streams.config.settings import Model, Prices, Provider, Tier
from streams.embedded.demo.ledger import DeadLettered, Event, Ledger
from streams.embedded.demo.summary import Summary, quantiles_ms, summarise
from streams.registry import Registry
from topics import codec
from topics.events import CallCompleted, CallStatus, CostSource, ResultStatus, TaskCompleted, Usage

MILLION = 1_000_000


def _model(name: str, tier: Tier, usd_per_mtok: float, quality: float) -> Model:
    prices = Prices(input_usd_per_mtok=usd_per_mtok, output_usd_per_mtok=usd_per_mtok * 2)
    return Model(name=name, provider="p", tier=tier, prices=prices, quality=quality)


REGISTRY = Registry.of(
    [
        _model("small", Tier.EFFICIENT, 1.0, 0.7),
        _model("other", Tier.EFFICIENT, 2.0, 0.7),
        _model("large", Tier.PREMIUM, 10.0, 0.9),
    ],
    {"p": Provider(base_url="http://127.0.0.1:1")},
)


def _call(source: str, model: str = "small", **changes: Any) -> CallCompleted:
    step, attempt = changes.get("step", 0), changes.get("attempt", 0)
    facts: dict[str, Any] = {
        "event_id": f"{source}/{step}/{attempt}",
        "call_id": f"{source}/{step}/{attempt}",
        "task_id": f"task-{source}",
        "source": source,
        "decision_id": "d",
        "model": model,
        "provider": "p",
        "step": step,
        "attempt": attempt,
        "status": CallStatus.OK,
        "started_at": 0.0,
        "latency_s": 0.1,
        "cost_nusd": 3 * 10**9,
        "cost_source": CostSource.USAGE,
        "usage": Usage(input_tokens=MILLION, output_tokens=MILLION),
    }
    return CallCompleted(**facts | changes)


def _result(source: str, model: str = "small", **changes: Any) -> TaskCompleted:
    facts: dict[str, Any] = {
        "result_id": f"r-{source}",
        "task_id": f"task-{source}",
        "source": source,
        "status": ResultStatus.COMPLETED,
        "decision_id": "d",
        "completed_at": 1.0,
        "type": "sql",
        "tenant": "t",
        "model": model,
        "tier": REGISTRY[model].tier.value,
        "latency_s": 0.5,
    }
    return TaskCompleted(**facts | changes)


def _ledger(*sources: str) -> Ledger:
    ledger = Ledger(REGISTRY)
    for source in sources:
        ledger.submit(source)
    return ledger


def _summary(ledger: Ledger) -> Summary:
    return summarise(ledger, broker="kafka", duration_s=1.0)


def _feed(ledger: Ledger, *events: Event) -> Summary:
    for event in events:
        ledger.take(event)
    return _summary(ledger)


def test_every_record_is_counted_once_and_the_rest_is_lost() -> None:
    ledger = _ledger("a", "b", "c", "d")

    summary = _feed(
        ledger,
        _call("a"),
        _result("a"),
        _result("b", status=ResultStatus.FAILED),
        DeadLettered("c"),
    )

    assert (summary.tasks, summary.completed, summary.failed) == (4, 1, 1)
    assert (summary.dead_lettered, summary.lost, summary.duplicates) == (1, 1, 0)
    assert not summary.ok


def test_the_baseline_is_the_answers_tokens_at_the_prices_of_the_best_model() -> None:
    summary = _feed(_ledger("a"), _call("a"), _result("a"))

    assert summary.cost_usd == pytest.approx(3.0)
    assert summary.baseline_cost_usd == pytest.approx(30.0)
    assert summary.saving == pytest.approx(0.9)
    assert summary.ok


def test_calls_that_failed_cost_but_are_not_in_the_baseline() -> None:
    failed = _call("a", status=CallStatus.SERVER, cost_nusd=10**9)
    answered = _call("a", "other", step=1, cost_nusd=6 * 10**9)

    summary = _feed(_ledger("a"), failed, answered, _result("a", "other"))

    assert summary.cost_usd == pytest.approx(7.0)
    assert summary.baseline_cost_usd == pytest.approx(30.0)
    assert summary.failovers == 1


def test_a_retry_at_the_same_model_is_no_failover() -> None:
    failed = _call("a", status=CallStatus.SERVER, cost_nusd=0)

    assert _feed(_ledger("a"), failed, _call("a", attempt=1), _result("a")).failovers == 0


def test_a_call_told_of_twice_costs_once() -> None:
    summary = _feed(_ledger("a"), _call("a"), _call("a"), _result("a"))

    assert summary.cost_usd == pytest.approx(3.0)


def test_a_record_with_two_results_is_one_duplicate_and_completed_once() -> None:
    summary = _feed(_ledger("a"), _call("a"), _result("a"), _result("a"), _result("a"))

    assert (summary.completed, summary.duplicates) == (1, 1)
    assert summary.latency_ms["p50"] == pytest.approx(500.0)


def test_a_dead_letter_beside_a_result_is_a_duplicate_in_either_order() -> None:
    one = _feed(_ledger("a"), _call("a"), _result("a"), DeadLettered("a"))
    other = _feed(_ledger("a"), DeadLettered("a"), _call("a"), _result("a"))

    assert (one.completed, one.dead_lettered, one.duplicates) == (1, 0, 1)
    assert (other.completed, other.dead_lettered, other.duplicates) == (0, 1, 1)


def test_events_may_come_before_their_record_is_known_and_in_any_order() -> None:
    events: list[Event] = [
        _call("a", status=CallStatus.SERVER, cost_nusd=0),
        _call("a", "other", step=1),
        _result("a", "other"),
        DeadLettered("b"),
        _call("c"),
        _result("c"),
    ]
    expected = _feed(_ledger("a", "b", "c"), *events)

    for seed in range(50):
        shuffled = random.Random(seed).sample(events, len(events))  # noqa: S311 - an order, no secret
        late = Ledger(REGISTRY)
        for event in shuffled:
            late.take(event)
        assert late.submitted == late.ended == 0
        for source in ("a", "b", "c"):
            late.submit(source)
        assert _summary(late) == expected
        assert late.settled


def test_it_is_not_settled_before_the_call_of_every_answer_is_known() -> None:
    ledger = _ledger("a")
    ledger.take(_result("a"))

    assert not ledger.settled

    ledger.take(_call("a"))

    assert ledger.settled


def test_records_of_others_do_not_count() -> None:
    summary = _feed(_ledger("a"), _call("z"), _result("z"), DeadLettered("y"))

    assert (summary.tasks, summary.completed, summary.dead_lettered, summary.cost_usd) == (1, 0, 0, 0.0)


def test_shares_per_tier_are_of_the_completed_tasks_and_name_every_tier() -> None:
    ledger = _ledger("a", "b", "c", "d", "e")
    events = [event for source in "abc" for event in (_call(source), _result(source))]

    summary = _feed(ledger, *events, _call("d", "large"), _result("d", "large"), DeadLettered("e"))

    assert summary.tiers == {"efficient": 0.75, "standard": 0.0, "premium": 0.25}


def test_nothing_at_all_is_a_summary_too() -> None:
    summary = _summary(_ledger())

    assert (summary.saving, summary.latency_ms) == (0.0, {"p50": None, "p95": None, "p99": None})
    assert not summary.ok


def test_quantiles_are_latencies_that_were_measured() -> None:
    assert quantiles_ms([one / 1000 for one in range(1, 101)]) == {"p50": 51.0, "p95": 96.0, "p99": 100.0}


def test_the_json_has_exactly_the_promised_keys() -> None:
    assert list(_summary(_ledger()).as_json()) == [
        "tasks",
        "completed",
        "failed",
        "dead_lettered",
        "lost",
        "duplicates",
        "cost_usd",
        "baseline_cost_usd",
        "saving",
        "latency_ms",
        "tiers",
        "failovers",
        "broker",
        "duration_s",
    ]
    assert codec.encode(_summary(_ledger()).as_json())
