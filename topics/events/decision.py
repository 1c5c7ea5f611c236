"""A decision: the plan for a task, and everything needed to see why and to make it again."""

from dataclasses import dataclass

from topics.events.vocabulary import OpenEnum


class PlanKind(OpenEnum):
    """How the steps of a plan relate."""

    NONE = "none"
    """No candidate was left: the task fails with the reasons."""
    SINGLE = "single"
    """The first step answers; the others only stand in when it fails."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Step:
    """One model of a plan."""

    model: str
    max_tokens: int
    """Answer limit sent with the call; what the reservation covers."""
    reserved_usd: float
    """Worst case of one call: all input tokens and `max_tokens` at list price."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered steps."""

    kind: PlanKind
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Features:
    """What was understood of the task."""

    type: str
    tenant: str
    tags: tuple[str, ...]
    words: int
    input_tokens: int
    """Estimate; see `streams.decide.features` for its error."""
    max_tokens: int
    """Answer limit assumed for reservation, tokens."""
    language: str | None
    """ISO 639-1; None where nothing in the policy asks for it."""
    capabilities: tuple[str, ...]
    """Capabilities a model needs for this task."""
    inferred: tuple[str, ...]
    """Names of the fields above that the producer did not declare."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Every model of the registry as it was seen for this task: columns of equal length, one entry a model."""

    models: tuple[str, ...]
    group: tuple[str, ...]
    """`use` (named by the rule or the default), `fallback` (may stand in), `out` (excluded or not named)."""
    excluded: dict[str, tuple[str, ...]]
    """Reasons by model; only the excluded ones are here."""
    expected_cost_usd: tuple[float, ...]
    worst_cost_usd: tuple[float, ...]
    expected_latency_s: tuple[float, ...]
    quality: tuple[float, ...]
    """Probability that the answer passes, 0 to 1."""
    score: tuple[float, ...]
    """The objective's value, higher is better; of no effect for a model that is out."""


@dataclass(frozen=True, slots=True)
class StrategyNote:
    """What one strategy did to the candidates."""

    name: str
    did: str


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """Numbers about one model that came from state."""

    model: str
    breaker: str
    calls: int
    """Calls in the health window."""
    failures: int


@dataclass(frozen=True, slots=True)
class StateInputs:
    """Every number from state that entered the decision."""

    age_s: float | None
    """Age of the view when it was used; None when there was no view at all."""
    models: tuple[ModelInputs, ...]
    """Only models about which something is known; the others count as healthy."""


@dataclass(frozen=True, slots=True)
class TaskRouted:
    """The value of `task.routed`. Durable before the first call.

    With the policy of `fingerprint` (topic policy.v1) and the task, the same decision can be made again.
    """

    decision_id: str
    task_id: str
    source: str
    """`topic:partition:offset` of the task."""
    decided_at: float
    """Seconds since the epoch: the `now` that the decision was made with."""
    seed: int
    fingerprint: str
    plan: Plan
    reason: str
    """One sentence for a person."""
    failure_code: str | None
    """Why there is no plan: `unknown_model`, `deadline_passed`, `no_eligible_model`; None where there is one."""
    reserved_usd: float
    """What counts as spent should this router die: the worst case of the dearest step."""
    features: Features
    candidates: Candidates
    strategies: tuple[StrategyNote, ...]
    inputs: StateInputs
    propensity: float
    """Probability with which this choice was made, given the same inputs."""
    lambda_per_usd: float
    """Price of money in the objective, quality per USD."""
    mu_per_s: float
    """Price of time in the objective, quality per second."""
    baseline_usd: float
    """Expected cost of the registry's best model for this task."""
    elapsed_us: float | None = None
    """Time spent deciding, per task of the batch; None where the decision was not measured."""
