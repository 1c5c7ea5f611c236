"""What a router knows of its own calls before the tables do."""

from __future__ import annotations

from streams.state.overlay import Overlay
from streams.state.windows import Outcome
from tests.calls import NOW, completed
from topics.events import CallStatus, RateLimits


def test_a_call_counts_from_the_moment_it_ended() -> None:
    overlay = Overlay()

    overlay.record(completed(status=CallStatus.TIMEOUT))

    assert [one.outcome for one in overlay.outcomes("small", NOW)] == [Outcome.FAILED]


def test_it_is_dropped_when_the_view_covers_it() -> None:
    overlay = Overlay()
    overlay.written(overlay.record(completed()), partition=2, offset=10)

    overlay.covered("small", 2, 9)
    before = overlay.outcomes("small", NOW)
    overlay.covered("small", 2, 10)

    assert (len(before), len(overlay.outcomes("small", NOW))) == (1, 0)


def test_other_partitions_and_models_cover_nothing_of_it() -> None:
    overlay = Overlay()
    overlay.written(overlay.record(completed()), partition=2, offset=10)

    overlay.covered("small", 1, 99)
    overlay.covered("large", 2, 99)

    assert len(overlay.outcomes("small", NOW)) == 1


def test_a_snapshot_may_come_before_the_acknowledgement() -> None:
    overlay = Overlay()
    recorded = overlay.record(completed())

    overlay.covered("small", 2, 10)
    overlay.written(recorded, partition=2, offset=10)

    assert overlay.outcomes("small", NOW) == ()


def test_a_call_that_is_not_written_yet_stays() -> None:
    overlay = Overlay()
    overlay.record(completed())

    overlay.covered("small", 0, 10**9)

    assert len(overlay.outcomes("small", NOW)) == 1


def test_outcomes_are_forgotten_after_five_minutes() -> None:
    overlay = Overlay()
    overlay.record(completed())

    assert overlay.outcomes("small", NOW + 301) == ()
    assert list(overlay.models()) == []


def test_retry_after_is_kept() -> None:
    overlay = Overlay()
    overlay.record(completed(status=CallStatus.THROTTLED, rate_limits=RateLimits(retry_after_s=30.0)))

    assert overlay.outcomes("small", NOW)[0].retry_after_s == 30.0
