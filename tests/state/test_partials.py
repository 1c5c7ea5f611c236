"""Snapshots as they come from the topic, and their sums."""

from __future__ import annotations

import pytest

from streams.decide.world import BreakerState
from streams.state.overlay import Overlay
from streams.state.partials import Partials, model_health, state_key
from streams.tables.folds import PartitionFold
from tests.calls import NOW, completed
from topics.codec import encode
from topics.events import CallCompleted, CallStatus


def records(partition: int, *calls: CallCompleted) -> list[tuple[bytes, bytes]]:
    fold = PartitionFold(partition, lambda _: None)
    for offset, call in enumerate(calls):
        fold.fold(call, offset, NOW)
    fold.settle(NOW)
    return [
        (state_key(key.kind, key.scope, partition), encode(value)) for key, value in fold.partials().items()
    ]


def taken(*all_records: list[tuple[bytes, bytes]]) -> Partials:
    partials = Partials()
    for some in all_records:
        for key, value in some:
            partials.take(key, value)
    return partials


def test_partitions_are_added_up() -> None:
    partials = taken(records(0, completed(1)), records(1, completed(2), completed(3)))

    assert partials.spend("all").total.calls == 3
    assert partials.spend("model:small").total.cost_nusd == 3_006
    assert partials.health("small").buckets[0].ok == 3


def test_a_newer_snapshot_replaces_the_older_one() -> None:
    partials = taken(records(0, completed(1)))
    before = partials.spend("all").total.calls

    for key, value in records(0, completed(1), completed(2)) * 2:
        partials.take(key, value)

    assert (before, partials.spend("all").total.calls) == (1, 2)


def test_a_tombstone_removes() -> None:
    partials = taken(records(0, completed(1)), records(1, completed(2)))

    partials.take(b"spend|all|0", None)
    partials.take(b"spend|nothing|0", None)

    assert partials.spend("all").total.calls == 1


def test_kinds_of_a_newer_version_are_passed_over() -> None:
    partials = taken(records(0, completed(1)))

    partials.take(b"headroom|model:small|0", b'{"anything": 1}')

    assert partials.malformed == 0
    assert partials.spend("all").total.calls == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, b"{}"),
        (b"spend", b"{}"),
        (b"\xff|a|0", b"{}"),
        (b"spend|all|x", b"{}"),
        (b"spend|all|0", b"{"),
        (b"spend|all|0", b'{"scope": "all"}'),
        (b"spend|all|7", records(0, completed(1))[1][1]),
    ],
)
def test_malformed_records_are_counted_and_change_nothing(key: bytes | None, value: bytes) -> None:
    partials = taken(records(0, completed(1)))

    partials.take(key, value)

    assert partials.malformed == 1
    assert partials.spend("all").total.calls == 1


def test_scopes_may_contain_the_separator() -> None:
    partials = taken(records(0, completed(1, tenant="a|b|1")))

    assert partials.spend("tenant:a|b|1").total.calls == 1


def test_nothing_known_is_zero() -> None:
    assert Partials().spend("tenant:nobody").total.calls == 0
    assert Partials().health("none").buckets == ()


def test_health_of_a_model_has_both_what_the_tables_and_what_this_router_knows() -> None:
    partials = taken(records(0, *[completed(n, status=CallStatus.SERVER) for n in range(3)]))
    overlay = Overlay()
    for number in range(2):
        overlay.record(completed(number, status=CallStatus.SERVER))

    health = model_health(partials, overlay, "small", NOW)

    assert (health.calls, health.failures, health.breaker) == (5, 5, BreakerState.OPEN)


def test_health_counts_the_last_five_minutes() -> None:
    partials = taken(records(0, completed(1, started_at=NOW - 400), completed(2)))

    assert model_health(partials, Overlay(), "small", NOW).calls == 1
