"""What is taken as a call, and what goes to the dead letters."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.tables.decoding import MAX_COST_NUSD, decode_call
from tests.calls import completed
from topics.codec import Rejection, Stage, encode
from topics.events import CallCompleted, Usage


def test_a_call_comes_through() -> None:
    assert decode_call(encode(completed())) == completed()


@given(st.binary())
def test_no_bytes_raise(value: bytes) -> None:
    assert isinstance(decode_call(value), Rejection)


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_call_is_rejected(value: bytes | None) -> None:
    assert isinstance(decode_call(value), Rejection)


@pytest.mark.parametrize(
    "call",
    [
        replace(completed(), cost_nusd=-1),
        replace(completed(), cost_nusd=MAX_COST_NUSD + 1),
        replace(completed(), usage=Usage(input_tokens=-1)),
        replace(completed(), usage=Usage(output_tokens=10**12)),
        replace(completed(), latency_s=-0.1),
        replace(completed(), model=""),
    ],
)
def test_numbers_that_make_no_sense_are_rejected_with_a_reason(call: CallCompleted) -> None:
    rejection = decode_call(encode(call))

    assert isinstance(rejection, Rejection)
    assert rejection.stage is Stage.MEANING
