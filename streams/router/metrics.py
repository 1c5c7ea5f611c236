"""What the router measures. Base units, one prefix, bounded labels (models, tiers, statuses; never tenants)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
DECIDE_SECONDS = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 2e-2)


class Metrics:
    """One registry per router, so that several can live in one process."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # not typed
        self.registry = CollectorRegistry()
        r = self.registry
        self.tasks = Counter("sluice_tasks", "Tasks that ended, by how.", ["status"], registry=r)
        self.read = Counter("sluice_tasks_read", "Task records read.", registry=r)
        self.skipped = Counter(
            "sluice_tasks_already_finished",
            "Records read again after a take-over whose result was already durable.",
            registry=r,
        )
        self.resumed = Counter(
            "sluice_tasks_resumed",
            "Tasks that another router had routed and this one carried on.",
            registry=r,
        )
        self.dead_letters = Counter("sluice_dead_letters", "Dead letters, by stage.", ["stage"], registry=r)
        self.decisions = Counter("sluice_decisions", "Decisions, by first model.", ["model"], registry=r)
        self.decide_seconds = Histogram(
            "sluice_decide_seconds", "Time to decide, per task.", buckets=DECIDE_SECONDS, registry=r
        )
        self.calls = Counter("sluice_calls", "Calls that ended.", ["model", "status"], registry=r)
        self.call_seconds = Histogram(
            "sluice_call_seconds", "Latency of successful calls.", ["model"], buckets=SECONDS, registry=r
        )
        self.tokens = Counter("sluice_tokens", "Tokens used.", ["model", "direction"], registry=r)
        self.cost = Counter("sluice_cost_usd", "Cost of calls.", ["model"], registry=r)
        self.failovers = Counter(
            "sluice_failovers", "Tasks answered by a later step than the first.", registry=r
        )
        self.task_seconds = Histogram(
            "sluice_task_seconds",
            "From the task's record to its durable result.",
            buckets=SECONDS,
            registry=r,
        )
        self.open_tasks = Gauge("sluice_open_tasks", "Tasks read and not finished.", registry=r)
        self.calls_in_flight = Gauge("sluice_calls_in_flight", "Calls in flight.", ["model"], registry=r)
        self.lag = Gauge(
            "sluice_lag_records",
            "Records between the commit and the end.",
            ["topic", "partition"],
            registry=r,
        )
        self.watermark_age = Gauge(
            "sluice_watermark_age_seconds",
            "Longest time for which a partition with lag has not moved its commit.",
            registry=r,
        )
        self.partitions = Gauge("sluice_assigned_partitions", "Partitions this router owns.", registry=r)
        self.paused = Gauge("sluice_paused_partitions", "Partitions paused at a bound.", registry=r)
        self.rebalances = Counter("sluice_rebalances", "Rebalances seen.", registry=r)
        self.cancelled = Counter(
            "sluice_tasks_cancelled",
            "Tasks given up at a drain's deadline; they come back elsewhere.",
            registry=r,
        )
        self.state_age = Gauge(
            "sluice_state_age_seconds",
            "Age of the merged view of the state, NaN if unknown.",
            registry=r,
        )
