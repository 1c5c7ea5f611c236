"""The outcome of a demo as numbers: what `--json` prints and what the summary shows. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.config.settings import Tier
from streams.registry.prices import usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.embedded.demo.ledger import Ledger

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Summary:
    """One demo."""

    tasks: int
    """Submitted records, malformed ones included."""
    completed: int
    failed: int
    dead_lettered: int
    lost: int
    """Submitted, with neither result nor dead letter at the end."""
    duplicates: int
    """Records with more than one outcome."""
    cost_usd: float
    """All calls, from `call.completed`."""
    baseline_cost_usd: float
    """The same answers' tokens at the prices of the best model."""
    saving: float
    """1 - cost / baseline; 0 where there is no baseline."""
    latency_ms: dict[str, float | None]
    """Quantiles, from a task's record to its result; None where nothing was completed."""
    tiers: dict[str, float]
    """Share of the completed tasks by tier of the model that answered."""
    failovers: int
    """Completed tasks answered by a later step of the plan than the first."""
    broker: str
    """kafka, tansu or external."""
    duration_s: float
    """From the start of the demo to the last result."""

    @property
    def ok(self) -> bool:
        """Whether nothing was lost and something was done."""
        return self.lost == 0 and self.completed > 0

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return asdict(self)


def summarise(ledger: Ledger, *, broker: str, duration_s: float) -> Summary:
    """The numbers of a ledger that gets no more events."""
    cost_usd, baseline_usd = usd(ledger.cost_nusd), usd(ledger.baseline_nusd)
    names = dict.fromkeys([*(tier.value for tier in Tier), *ledger.tiers])
    return Summary(
        tasks=ledger.submitted,
        completed=ledger.completed,
        failed=ledger.failed,
        dead_lettered=ledger.dead_lettered,
        lost=ledger.open,
        duplicates=ledger.duplicates,
        cost_usd=cost_usd,
        baseline_cost_usd=baseline_usd,
        saving=round(1 - cost_usd / baseline_usd, 4) if baseline_usd > 0 else 0.0,
        latency_ms=quantiles_ms(ledger.latencies_s),
        tiers={
            name: round(ledger.tiers[name] / ledger.completed, 4) if ledger.completed else 0.0
            for name in names
        },
        failovers=ledger.failovers,
        broker=broker,
        duration_s=round(duration_s, 2),
    )


def quantiles_ms(latencies_s: Sequence[float]) -> dict[str, float | None]:
    """The quantiles in milliseconds, each a latency that was measured."""
    if not latencies_s:
        return dict.fromkeys(QUANTILES)
    values = np.quantile(np.array(latencies_s), list(QUANTILES.values()), method="higher") * 1000
    return dict(zip(QUANTILES, values.round(1).tolist(), strict=True))
