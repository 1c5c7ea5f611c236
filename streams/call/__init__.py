"""Calling models: one adapter per wire format, one transport, errors classified once, pauses between retries.

Imports topics, registry and config only. How many calls run at once and which model is next is the router's.
"""

from streams.call.caller import Caller
from streams.call.errors import CallError, Failure, UnknownProviderError, UnusableSecretError
from streams.call.exchange import CallOutcome, CallRequest
from streams.call.retry import RetryBudget, pause_s
from streams.call.usage import estimated_usage

__all__ = [
    "CallError",
    "CallOutcome",
    "CallRequest",
    "Caller",
    "Failure",
    "RetryBudget",
    "UnknownProviderError",
    "UnusableSecretError",
    "estimated_usage",
    "pause_s",
]
