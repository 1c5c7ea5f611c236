"""Metrics of a worker of the tables."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics


class TablesMetrics:
    """Counters and gauges in a registry of their own, so that several roles can live in one process."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # not typed
        self.registry = CollectorRegistry()
        self.folded = Counter(
            "sluice_tables_events_folded", "Calls folded into the tables.", registry=self.registry
        )
        self.duplicates = Counter(
            "sluice_tables_duplicates_skipped",
            "Calls that were read again and are in the tables already.",
            registry=self.registry,
        )
        self.rejected = Counter(
            "sluice_tables_rejected", "Records that went to the dead letters.", registry=self.registry
        )
        self.filled = Counter(
            "sluice_tables_filled",
            "Records read directly because the stream processor had left them out.",
            registry=self.registry,
        )
        self.published = Counter(
            "sluice_tables_snapshots_published", "Partials published to state.v1.", registry=self.registry
        )
        self.restarts = Counter(
            "sluice_tables_restarts", "How often the stream processor was restarted.", registry=self.registry
        )
        self.partitions = Gauge("sluice_tables_partitions", "Partitions owned.", registry=self.registry)
        self.partials = Gauge("sluice_tables_partials", "Partials held in memory.", registry=self.registry)
        self.snapshot_delay = Gauge(
            "sluice_tables_snapshot_delay_seconds",
            "From the first change in a round of snapshots to the acknowledgement of all.",
            registry=self.registry,
        )
        self.lag = Gauge(
            "sluice_tables_lag_records",
            "Records of call.completed that are not folded yet, of the partitions owned.",
            registry=self.registry,
        )
        self.ahead = Gauge(
            "sluice_tables_ahead_of_source_partitions",
            "Partitions of which the tables cover more than there is: call.completed was created anew.",
            registry=self.registry,
        )
