from __future__ import annotations

from streams.tables.watchdog import FIRST_PATIENCE_S, RecoveryWatchdog


def test_partitions_that_are_owned_in_time_are_no_matter() -> None:
    watchdog = RecoveryWatchdog()
    assert not watchdog.stuck({1, 2}, set(), 0.0)
    assert not watchdog.stuck({1, 2}, {1, 2}, FIRST_PATIENCE_S - 1)
    assert not watchdog.stuck({1}, {1, 2}, FIRST_PATIENCE_S + 1)
    assert not watchdog.stuck({1}, {1}, 10 * FIRST_PATIENCE_S)


def test_a_recovery_that_does_not_end_is_given_up_with_growing_patience() -> None:
    watchdog = RecoveryWatchdog()
    assert not watchdog.stuck({1}, set(), 0.0)
    assert watchdog.stuck({1}, set(), FIRST_PATIENCE_S)
    assert not watchdog.stuck({1}, set(), 100.0)
    assert not watchdog.stuck({1}, set(), 100.0 + FIRST_PATIENCE_S)
    assert watchdog.stuck({1}, set(), 100.0 + 2 * FIRST_PATIENCE_S)
    assert not watchdog.stuck({1}, {1}, 500.0)
    assert watchdog.patience_s == FIRST_PATIENCE_S


def test_a_worker_without_partitions_waits_for_ever() -> None:
    watchdog = RecoveryWatchdog()
    assert not any(watchdog.stuck(set(), set(), float(now)) for now in range(0, 10_000, 100))
