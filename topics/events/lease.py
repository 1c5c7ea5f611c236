"""Leases: slices of a limit, asked for by a router and granted by the ledger."""

from dataclasses import dataclass

from topics.events.vocabulary import OpenEnum


class LeaseAction(OpenEnum):
    """What a router wants of the ledger."""

    REQUEST = "request"
    RENEW = "renew"
    SETTLE = "settle"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LeaseRequested:
    """The value of `lease.requested`."""

    lease_id: str
    limit: str
    """The limit's name; the record's key."""
    router: str
    action: LeaseAction
    amount: int
    """Nano-dollars, tokens or requests, as the limit counts."""
    requested_at: float
    used: int = 0
    """With settle and renew: what was used of the lease so far."""


@dataclass(frozen=True, slots=True)
class LeaseGranted:
    """The value of `lease.granted`."""

    lease_id: str
    limit: str
    router: str
    amount: int
    """Zero: nothing is left."""
    expires_at: float
    granted_at: float
