"""The pure core: from tasks and what is known of the world to decisions. No I/O, no clock, no global randomness."""

from streams.decide.decide import decide
from streams.decide.features import Submission, estimate_tokens
from streams.decide.policy import CompiledPolicy, published_policy, published_registry
from streams.decide.world import BreakerState, ModelHealth, World

__all__ = [
    "BreakerState",
    "CompiledPolicy",
    "ModelHealth",
    "Submission",
    "World",
    "decide",
    "estimate_tokens",
    "published_policy",
    "published_registry",
]
