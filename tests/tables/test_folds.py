"""Folding calls into partials, and that splitting them over partitions changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.state.merge import add_up_health, add_up_spend, merge_health, merge_spend
from streams.state.windows import DAY_S, HOUR_S, latency_bucket
from streams.tables.folds import POSITION_KEY, Partial, PartialKey, PartitionFold, scopes_of
from tests.calls import NOW, completed
from topics.codec import Rejection, decode, encode
from topics.events import CallCompleted, CallStatus, HealthPartial, PartialKind, SpendPartial

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL = POSITION_KEY
SMALL_HEALTH = PartialKey(PartialKind.HEALTH, "model:small")


def empty(partition: int = 0) -> PartitionFold:
    return PartitionFold(partition, lambda _: None)


def fold_all(calls: Iterable[CallCompleted], partition: int = 0, batch: int = 3) -> dict[PartialKey, Partial]:
    fold = empty(partition)
    for offset, call in enumerate(calls):
        fold.fold(call, offset, NOW)
        if offset % batch == 0:
            fold.settle(NOW)
    fold.settle(NOW)
    return fold.partials()


def spend_of(partials: dict[PartialKey, Partial], scope: str) -> SpendPartial:
    partial = partials[PartialKey(PartialKind.SPEND, scope)]
    assert isinstance(partial, SpendPartial)
    return partial


def health_of(partials: dict[PartialKey, Partial]) -> HealthPartial:
    partial = partials[SMALL_HEALTH]
    assert isinstance(partial, HealthPartial)
    return partial


calls = st.builds(
    lambda ago, model, status, cost, latency, tags: completed(
        cost,
        model=model,
        status=status,
        started_at=NOW - ago,
        latency_s=latency,
        tags=tuple(tags),
    ),
    st.floats(0, 500 * DAY_S),
    st.sampled_from(["small", "large"]),
    st.sampled_from(list(CallStatus)),
    st.integers(0, 10**9),
    st.floats(0, 100),
    st.lists(st.sampled_from(["a", "b"]), max_size=3),
)


def test_a_call_counts_in_every_scope_it_belongs_to() -> None:
    call = completed(tenant="acme", type="code", tags=("x", "y", "x"))

    partials = fold_all([call])

    assert {key.scope for key in partials if key.kind is PartialKind.SPEND} == {
        "all",
        "model:small",
        "provider:sim",
        "tenant:acme",
        "type:code",
        "tag:x",
        "tag:y",
    }
    assert all(spend_of(partials, scope).total.calls == 1 for scope in scopes_of(call))


def test_sums_are_exact_integers() -> None:
    partials = fold_all([completed(cost_nusd=10**12 + 1), completed(cost_nusd=1)] * 1_000)

    total = spend_of(partials, "all").total

    assert (total.calls, total.cost_nusd) == (2_000, 1_000 * (10**12 + 2))
    assert (total.input_tokens, total.output_tokens) == (200_000, 20_000)


def test_a_call_falls_into_the_windows_of_the_time_it_ended() -> None:
    partials = fold_all([completed(started_at=NOW - 2 * DAY_S, latency_s=HOUR_S + 5.0)])

    spend = spend_of(partials, "all")

    assert [window.start for window in spend.hours] == [int(NOW) - 2 * DAY_S + HOUR_S]
    assert spend.total.start == int(NOW) - 2 * DAY_S + HOUR_S + 5


def test_a_clock_that_runs_ahead_does_not_open_a_window_in_the_future() -> None:
    partials = fold_all([completed(started_at=NOW + 10 * DAY_S)])

    assert spend_of(partials, "all").hours[-1].start == int(NOW)
    assert health_of(partials).last_ok_at == NOW


def test_a_late_call_goes_to_its_own_window_while_that_is_held() -> None:
    on_time = [completed(started_at=NOW - hours * HOUR_S) for hours in (3, 2, 1)]

    partials = fold_all([*on_time, completed(started_at=NOW - 2 * HOUR_S)])

    assert [window.calls for window in spend_of(partials, "all").hours] == [1, 2, 1]


def test_a_call_too_late_for_its_window_still_counts_in_the_total() -> None:
    days = [completed(started_at=NOW - day * DAY_S) for day in range(40)]

    spend = spend_of(fold_all([*days, completed(started_at=NOW - 400 * DAY_S)]), "all")

    assert (len(spend.hours), len(spend.days)) == (25, 32)
    assert sum(window.calls for window in spend.days) == 32
    assert spend.total.calls == 41


def test_outcomes_are_told_apart_and_only_successes_have_a_latency() -> None:
    statuses = [CallStatus.OK, CallStatus.TIMEOUT, CallStatus.THROTTLED, CallStatus.AUTH]

    (bucket,) = health_of(fold_all([completed(status=status) for status in statuses])).buckets

    assert (bucket.ok, bucket.failed, bucket.throttled, bucket.rejected) == (1, 1, 1, 1)
    assert bucket.latency == ((latency_bucket(0.5), 1),)


def test_a_rejected_request_is_neither_a_success_nor_a_failure_of_the_model() -> None:
    health = health_of(fold_all([completed(status=CallStatus.CLIENT)]))

    assert (health.last_ok_at, health.last_failed_at) == (None, None)


def test_what_is_covered_is_not_folded_again() -> None:
    fold = empty()
    fold.fold(completed(), 7, NOW)
    fold.settle(NOW)

    again = [fold.fold(completed(), offset, NOW) for offset in (5, 7, 7)]
    changed = fold.settle(NOW)

    assert again == [False, False, False]
    assert changed == {}
    assert fold.covers_offset == 7


def test_a_batch_stored_in_part_is_completed_when_it_is_read_again() -> None:
    stored = {key: value for key, value in fold_all([completed(1)]).items() if key != ALL}
    fold = PartitionFold(0, stored.get)

    new = fold.fold(completed(1), 0, NOW)
    fold.settle(NOW)

    assert new
    assert {spend_of(fold.partials(), scope).total.calls for scope in scopes_of(completed(1))} == {1}


def test_the_position_is_stored_last() -> None:
    fold = empty()
    fold.fold(completed(tags=("x",)), 3, NOW)

    assert list(fold.settle(NOW))[-1] == ALL


def test_a_record_that_is_no_call_moves_the_position() -> None:
    fold = empty()
    fold.skip(4)

    changed = fold.settle(NOW)

    assert list(changed) == [ALL]
    assert fold.covers_offset == 4
    assert spend_of(fold.partials(), "all").total.calls == 0


def test_restating_changes_the_time_and_nothing_else() -> None:
    fold = empty()
    fold.fold(completed(), 3, NOW)
    before = fold.settle(NOW)[ALL]

    assert fold.restate(NOW + 5) == replace(before, updated_at=NOW + 5)


def test_stored_partials_come_back_as_they_were() -> None:
    for partial in fold_all([completed(1), completed(2, status=CallStatus.SERVER)]).values():
        back = decode(encode(partial), type(partial))
        assert not isinstance(back, Rejection)
        assert back == partial


@settings(max_examples=60)
@given(st.lists(st.tuples(calls, st.integers(0, 3)), max_size=60))
def test_splitting_calls_over_partitions_does_not_change_the_sum(
    placed: list[tuple[CallCompleted, int]],
) -> None:
    split = [fold_all([call for call, at in placed if at == number], number) for number in range(4)]
    whole = fold_all(call for call, _ in placed)

    for key, partial in whole.items():
        parts = [one[key] for one in split if key in one]
        if isinstance(partial, SpendPartial):
            spend = [one for one in parts if isinstance(one, SpendPartial)]
            assert add_up_spend(key.scope, spend) == add_up_spend(key.scope, [partial])
        else:
            health = [one for one in parts if isinstance(one, HealthPartial)]
            assert add_up_health(key.scope, health) == add_up_health(key.scope, [partial])


@settings(max_examples=60)
@given(st.lists(calls, min_size=1, max_size=30), st.integers(1, 10))
def test_how_calls_are_cut_into_batches_does_not_matter(folded: list[CallCompleted], batch: int) -> None:
    assert fold_all(folded, batch=batch) == fold_all(folded, batch=1_000)


@settings(max_examples=60)
@given(st.lists(st.lists(calls, min_size=1, max_size=12), min_size=3, max_size=3))
def test_merging_is_associative_and_commutative(groups: list[list[CallCompleted]]) -> None:
    a, b, c = (fold_all(group) for group in groups)
    x, y, z = spend_of(a, "all"), spend_of(b, "all"), spend_of(c, "all")

    assert merge_spend(merge_spend(x, y), z) == merge_spend(x, merge_spend(y, z))
    assert merge_spend(x, y) == merge_spend(y, x)


@settings(max_examples=60)
@given(st.lists(st.lists(calls, min_size=1, max_size=12), min_size=3, max_size=3))
def test_merging_health_is_associative_and_commutative(groups: list[list[CallCompleted]]) -> None:
    on_small = [[replace(call, model="small") for call in group] for group in groups]
    x, y, z = (health_of(fold_all(group)) for group in on_small)

    assert merge_health(merge_health(x, y), z) == merge_health(x, merge_health(y, z))
    assert merge_health(x, y) == merge_health(y, x)
