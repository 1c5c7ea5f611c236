from __future__ import annotations

import logging

from streams.observability.logs import Dampener


def test_a_flood_of_one_message_is_dampened_and_others_are_heard() -> None:
    now = [0.0]
    dampener = Dampener(most=3, within_s=10, clock=lambda: now[0])

    def heard(message: str) -> bool:
        record = logging.LogRecord("aiokafka", logging.ERROR, "", 0, message, (), None)
        return bool(dampener.filter(record))

    assert [heard("no connection") for _ in range(100)] == [True] * 3 + [False] * 97
    assert heard("something else")
    now[0] = 11.0
    assert heard("no connection")


def test_the_last_message_before_the_silence_says_so() -> None:
    dampener = Dampener(most=2, within_s=10)
    records = [logging.LogRecord("x", logging.ERROR, "", 0, "lost %s", ("it",), None) for _ in range(2)]
    assert all(dampener.filter(record) for record in records)
    assert records[0].getMessage() == "lost it"
    assert records[1].getMessage() == "lost it (more of these in the next 10 s are left out)"
