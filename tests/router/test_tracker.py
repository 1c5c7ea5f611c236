from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.router.tracker import OffsetTracker, OutOfOrderError


def test_the_position_waits_for_the_slowest_task() -> None:
    tracker = OffsetTracker(position=5)
    for offset in (5, 6, 7):
        tracker.start(offset, {"t": offset})
    tracker.finish(7)
    tracker.finish(6)
    assert tracker.position == 5
    assert tracker.ahead == 3
    assert tracker.open == 1
    tracker.finish(5)
    assert tracker.position == 8
    assert tracker.ahead == 0


def test_a_commit_names_the_tails_of_the_oldest_open_task() -> None:
    tracker = OffsetTracker(position=0)
    tracker.start(0, {"t": 10})
    tracker.start(1, {"t": 20})
    assert tracker.oldest_tails == {"t": 10}
    tracker.finish(0)
    assert tracker.oldest_tails == {"t": 20}
    tracker.finish(1)
    assert tracker.oldest_tails is None


def test_an_offset_is_started_once_and_in_order() -> None:
    tracker = OffsetTracker(position=3)
    tracker.start(4, {})
    with pytest.raises(OutOfOrderError):
        tracker.start(4, {})
    with pytest.raises(OutOfOrderError):
        tracker.start(2, {})


@given(offsets=st.sets(st.integers(0, 200), min_size=1, max_size=60), data=st.data())
def test_nothing_unfinished_is_ever_below_the_position(offsets: set[int], data: st.DataObject) -> None:
    ordered = sorted(offsets)
    tracker = OffsetTracker(position=ordered[0])
    waiting: list[int] = []
    to_start = list(ordered)
    while to_start or waiting:
        if to_start and (not waiting or data.draw(st.booleans())):
            tracker.start(to_start[0], {"t": to_start[0]})
            waiting.append(to_start.pop(0))
        else:
            chosen = data.draw(st.sampled_from(waiting))
            before = tracker.position
            tracker.finish(chosen)
            waiting.remove(chosen)
            assert tracker.position >= before
        unfinished = [*waiting, *to_start]
        assert all(offset >= tracker.position for offset in unfinished)
        if waiting:
            assert tracker.position <= min(waiting)
            assert tracker.oldest_tails == {"t": min(waiting)}
    assert tracker.position == ordered[-1] + 1
