"""A policy made ready to decide with: rules resolved to masks over the registry, and the fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from streams.decide.rules import asks_for_language

if TYPE_CHECKING:
    from streams.config.settings import Policy, Use
    from streams.registry import Registry
    from topics.events.vocabulary import JsonObject

Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """What `decide` works with. Immutable; made once per policy and registry."""

    policy: Policy
    registry: Registry
    fingerprint: str
    """16 hexadecimal digits over everything that can change a decision; equal across processes and machines."""
    rule_masks: tuple[Mask, ...]
    """Per rule, the models it names; shape (models,)."""
    default_mask: Mask
    fallback_mask: Mask
    needs_language: bool

    @classmethod
    def of(cls, policy: Policy, registry: Registry) -> CompiledPolicy:
        """Resolve names and tiers against the registry."""
        return cls(
            policy=policy,
            registry=registry,
            fingerprint=fingerprint(policy, registry),
            rule_masks=tuple(_mask(rule.use, registry) for rule in policy.rules),
            default_mask=_mask(policy.default, registry),
            fallback_mask=_mask(policy.fallback, registry),
            needs_language=any(asks_for_language(rule.when) for rule in policy.rules),
        )


def published_policy(policy: Policy) -> JsonObject:
    """The policy as it goes to policy.v1."""
    dumped: JsonObject = policy.model_dump(mode="json")
    return dumped


def published_registry(registry: Registry) -> JsonObject:
    """The registry as it goes to policy.v1: no addresses, no keys."""
    return {"models": [model.public() for model in registry.models]}


def fingerprint(policy: Policy, registry: Registry) -> str:
    """Digest of policy and registry."""
    content = {"policy": published_policy(policy), "registry": published_registry(registry)}
    return blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def _mask(use: Use, registry: Registry) -> Mask:
    named = set(use.models or ())
    tiers = set(use.tiers or ())
    return np.array([model.name in named or model.tier in tiers for model in registry.models], dtype=np.bool_)
