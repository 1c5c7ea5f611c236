"""From the bytes of `call.completed` to a call that can be folded, or the reason why it cannot."""

from __future__ import annotations

import math
from typing import Final

from topics.codec import Rejection, Stage, decode
from topics.events import CallCompleted

MAX_COST_NUSD: Final = 10**13
"""10,000 USD. No call costs that; sums of what does not exceed it stay within 64 bits."""
MAX_TOKENS: Final = 10**9


def decode_call(value: bytes | None) -> CallCompleted | Rejection:
    """A call whose numbers make sense, or why not. Never raises."""
    try:
        call = decode(value, CallCompleted)
    except Exception as error:  # noqa: BLE001 - bytes from anywhere must not stop a partition
        name = type(error).__name__
        return Rejection(Stage.SCHEMA, name, "the value cannot be read as a call.completed event")
    if isinstance(call, Rejection):
        return call
    wrong = _meaning_error(call)
    return call if wrong is None else Rejection(Stage.MEANING, "InvalidCall", wrong)


def _meaning_error(call: CallCompleted) -> str | None:
    if not call.model:
        return "`model` is empty; name the model that was called"
    if not 0 <= call.cost_nusd <= MAX_COST_NUSD:
        return f"`cost_nusd` is not within 0 and {MAX_COST_NUSD:,}"
    if not (0 <= call.usage.input_tokens <= MAX_TOKENS and 0 <= call.usage.output_tokens <= MAX_TOKENS):
        return f"`usage` has tokens that are not within 0 and {MAX_TOKENS:,}"
    if not (math.isfinite(call.started_at) and math.isfinite(call.latency_s) and call.latency_s >= 0):
        return "`started_at` and `latency_s` are not times that can be"
    return None
