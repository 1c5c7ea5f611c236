"""What the files in `golden/` must decode to, by file name.

A file is the value of one record. Once an event version is released its files and the objects here are
never changed, only added to: they prove that what is stored on somebody's cluster can still be read.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from topics import events

_SOURCE: Final = "sluice.task.submitted.v1:3:1042"
_TASK_ID: Final = "ticket-48213"
_DECISION_ID: Final = "0f9a3f1e-9c1b-5a57-8a5e-3d3c7c2f4b10"
_CALL_ID: Final = "7b0c2f64-2f0e-5b0f-9f2d-64a4e9f4c2aa"
_RESULT_ID: Final = "c5a1c8de-4f5b-5b8e-8d43-1f0f4d7d2b11"

_WEATHER_TOOL: Final = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
_WEATHER_CALL: Final = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
}

_TASK: Final = events.Task(
    messages=(
        events.Message(role=events.Role.SYSTEM, content="Answer in two sentences."),
        events.Message(role=events.Role.DEVELOPER, content="Be kind."),
        events.Message(
            role=events.Role.USER,
            content=(
                {"type": "text", "text": "What is the weather in this city? Ærlig talt ☔"},
                {"type": "image_url", "image_url": {"url": "https://example.com/oslo.jpg"}},
            ),
            name="kari",
        ),
        events.Message(role=events.Role.ASSISTANT, tool_calls=(_WEATHER_CALL,)),
        events.Message(role=events.Role.TOOL, content='{"celsius": 7}', tool_call_id="call_1"),
    ),
    task_id=_TASK_ID,
    type="support",
    tenant="acme",
    tags=("tier-2", "mobile"),
    model="auto",
    requirements=events.Requirements(
        max_cost_usd=0.002, min_quality=0.8, capabilities=("tools", "vision"), region="eu"
    ),
    deadline=datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC),
    max_tokens=200,
    temperature=0.2,
    top_p=0.95,
    stop=("\n\n", "END"),
    seed=7,
    response_format={"type": "json_object"},
    tools=(_WEATHER_TOOL,),
    tool_choice="auto",
    metadata={"ticket": 48213, "nested": {"list": [1, 2.5, None, True]}},
    submitted_at=datetime(2026, 3, 1, 13, 0, 0, 250000, tzinfo=timezone(timedelta(hours=1))),
)

_BATCH: Final = events.Task(
    prompt="Classify the sentiment of: the parcel came late, but the toaster is great.",
    task_id="review-000017",
    type="classification",
    tenant="acme",
    tags=("nightly",),
    requirements=events.Requirements(max_cost_usd=0.0001),
    max_tokens=5,
    temperature=0.0,
    stop="\n",
    tool_choice={"type": "function", "function": {"name": "label"}},
)

_ROUTED: Final = events.TaskRouted(
    decision_id=_DECISION_ID,
    task_id=_TASK_ID,
    source=_SOURCE,
    decided_at=1772366400.125,
    seed=0,
    fingerprint="sha256:4be1",
    plan=events.Plan(
        kind=events.PlanKind.SINGLE,
        steps=(
            events.Step(model="small", max_tokens=200, reserved_usd=0.000131),
            events.Step(model="medium", max_tokens=200, reserved_usd=0.00131),
        ),
    ),
    reason="rule support: small is the cheapest of its models",
    failure_code=None,
    reserved_usd=0.00131,
    features=events.Features(
        type="support",
        tenant="acme",
        tags=("tier-2", "mobile"),
        words=15,
        input_tokens=37,
        max_tokens=200,
        language="en",
        capabilities=("tools", "vision"),
        inferred=("words", "input_tokens", "language"),
    ),
    candidates=events.Candidates(
        models=("small", "medium", "large"),
        group=("use", "fallback", "out"),
        excluded={"large": ("region: eu is required, the model runs in us",)},
        expected_cost_usd=(0.00009, 0.0009, 0.009),
        worst_cost_usd=(0.000131, 0.00131, 0.0131),
        expected_latency_s=(0.9, 1.4, 2.8),
        quality=(0.7, 0.82, 0.92),
        score=(0.69, 0.75, 0.81),
    ),
    strategies=(events.StrategyNote(name="rules", did="support matched"),),
    inputs=events.StateInputs(
        age_s=0.21, models=(events.ModelInputs(model="small", breaker="closed", calls=120, failures=2),)
    ),
    propensity=1.0,
    lambda_per_usd=12.5,
    mu_per_s=0.01,
    baseline_usd=0.009,
    elapsed_us=41.5,
)

_ROUTED_NOWHERE: Final = events.TaskRouted(
    decision_id=_DECISION_ID,
    task_id=_TASK_ID,
    source=_SOURCE,
    decided_at=1772366400.125,
    seed=0,
    fingerprint="sha256:4be1",
    plan=events.Plan(kind=events.PlanKind.NONE, steps=()),
    reason="no model is left: large is excluded",
    failure_code="no_eligible_model",
    reserved_usd=0.0,
    features=events.Features(
        type="general",
        tenant="default",
        tags=(),
        words=1,
        input_tokens=4,
        max_tokens=1024,
        language=None,
        capabilities=(),
        inferred=("type", "tenant", "words", "input_tokens"),
    ),
    candidates=events.Candidates(
        models=("large",),
        group=("out",),
        excluded={"large": ("the task's deadline",)},
        expected_cost_usd=(0.009,),
        worst_cost_usd=(0.0131,),
        expected_latency_s=(2.8,),
        quality=(0.92,),
        score=(0.81,),
    ),
    strategies=(),
    inputs=events.StateInputs(age_s=None, models=()),
    propensity=1.0,
    lambda_per_usd=0.0,
    mu_per_s=0.0,
    baseline_usd=0.009,
)

_CALL: Final = events.CallCompleted(
    event_id="b7d2e1c0-0a6f-5f1e-9d55-0f6c3b8c7a01",
    call_id=_CALL_ID,
    task_id=_TASK_ID,
    source=_SOURCE,
    decision_id=_DECISION_ID,
    model="small",
    provider="openai",
    step=0,
    attempt=1,
    status=events.CallStatus.OK,
    started_at=1772366400.2,
    latency_s=0.84,
    cost_nusd=61_250,
    cost_source=events.CostSource.USAGE,
    usage=events.Usage(input_tokens=37, cached_input_tokens=8, output_tokens=22, reasoning_tokens=4),
    repeat=1,
    reserved_nusd=131_000,
    tenant="acme",
    type="support",
    tags=("tier-2", "mobile"),
    tier="efficient",
    http_status=200,
    error="server: 503 before the retry",
    finish_reason="tool_calls",
    content="Seven degrees and rain.",
    tool_calls=(_WEATHER_CALL,),
    response_model="small-2026-01-15",
    request_id="req_9",
    ttft_s=0.31,
    rate_limits=events.RateLimits(
        limit_requests=500,
        remaining_requests=499,
        reset_requests_s=0.12,
        limit_tokens=200_000,
        remaining_tokens=199_000,
        reset_tokens_s=0.3,
        retry_after_s=1.0,
    ),
    checks=(
        events.CheckOutcome(name="not_empty", passed=True),
        events.CheckOutcome(name="judge", passed=None, reason="timed out", score=0.5),
    ),
    price_source="configured",
    extra={"queue_s": 0.02},
)

_CALL_LOST: Final = events.CallCompleted(
    event_id="b7d2e1c0-0a6f-5f1e-9d55-0f6c3b8c7a02",
    call_id=_CALL_ID,
    task_id=_TASK_ID,
    source=_SOURCE,
    decision_id=_DECISION_ID,
    model="small",
    provider="openai",
    step=0,
    attempt=0,
    status=events.CallStatus.OUTCOME_UNKNOWN,
    started_at=1772366400.2,
    latency_s=0.0,
    cost_nusd=131_000,
    cost_source=events.CostSource.RESERVATION,
    usage=events.Usage(),
)

_COMPLETED: Final = events.TaskCompleted(
    result_id=_RESULT_ID,
    task_id=_TASK_ID,
    source=_SOURCE,
    status=events.ResultStatus.COMPLETED,
    decision_id=_DECISION_ID,
    completed_at=1772366401.1,
    type="support",
    tenant="acme",
    answer=events.Answer(
        content="Seven degrees and rain.", tool_calls=(_WEATHER_CALL,), finish_reason="tool_calls"
    ),
    failure=None,
    model="small",
    tier="efficient",
    cost_usd=0.00006125,
    baseline_usd=0.009,
    usage=events.Usage(input_tokens=37, cached_input_tokens=8, output_tokens=22, reasoning_tokens=4),
    calls=(
        events.CallSummary(call_id=_CALL_ID, model="small", status="ok", cost_usd=0.00006125, latency_s=0.84),
    ),
    latency_s=1.1,
    revision=1,
    metadata={"ticket": 48213},
    tags=("tier-2", "mobile"),
)

_NOT_COMPLETED: Final = events.TaskCompleted(
    result_id=_RESULT_ID,
    task_id=_TASK_ID,
    source=_SOURCE,
    status=events.ResultStatus.FAILED,
    decision_id=_DECISION_ID,
    completed_at=1772366401.1,
    type="support",
    tenant="acme",
    failure=events.Failure(
        code="calls_failed", message="All 3 calls failed; see calls. Submit it again later.", retryable=True
    ),
)

_SPEND: Final = events.SpendPartial(
    scope="tenant:acme",
    partition=3,
    covers_offset=88_120,
    updated_at=1772366401.3,
    total=events.SpendWindow(
        start=1772300000, calls=812, cost_nusd=91_000_000, input_tokens=61_000, output_tokens=9_000
    ),
    hours=(
        events.SpendWindow(
            start=1772362800, calls=20, cost_nusd=2_000_000, input_tokens=1_500, output_tokens=220
        ),
        events.SpendWindow(start=1772366400, calls=1, cost_nusd=61_250, input_tokens=37, output_tokens=22),
    ),
    days=(
        events.SpendWindow(
            start=1772323200, calls=300, cost_nusd=30_000_000, input_tokens=20_000, output_tokens=3_000
        ),
    ),
    months=(
        events.SpendWindow(
            start=1772323200, calls=300, cost_nusd=30_000_000, input_tokens=20_000, output_tokens=3_000
        ),
    ),
)

_HEALTH: Final = events.HealthPartial(
    scope="model:small",
    partition=3,
    covers_offset=88_120,
    updated_at=1772366401.3,
    last_ok_at=1772366401.04,
    last_failed_at=None,
    buckets=(
        events.HealthBucket(
            start=1772366400, ok=12, failed=1, throttled=2, rejected=0, latency=((36, 7), (37, 5))
        ),
    ),
)

_TASK_WITH_PROMPT: Final = events.Task(prompt="Say hello in French.")

GOLDEN: Final[dict[str, object]] = {
    "task.submitted.v1": _TASK,
    "task.submitted.v1.minimal": _TASK_WITH_PROMPT,
    "task.submitted.v1.messages": events.Task(
        messages=(events.Message(role=events.Role.USER, content="Say hello in French."),)
    ),
    "task.submitted.batch.v1": _BATCH,
    "task.submitted.batch.v1.minimal": _TASK_WITH_PROMPT,
    "task.deferred.v1": _TASK,
    "task.deferred.v1.minimal": _TASK_WITH_PROMPT,
    "task.routed.v1": _ROUTED,
    "task.routed.v1.nowhere": _ROUTED_NOWHERE,
    "call.completed.v1": _CALL,
    "call.completed.v1.minimal": _CALL_LOST,
    "task.completed.v1": _COMPLETED,
    "task.completed.v1.failed": _NOT_COMPLETED,
    "feedback.submitted.v1": events.FeedbackSubmitted(
        task_id=_TASK_ID,
        kind=events.FeedbackKind.REVIEW,
        score=0.9,
        passed=True,
        note="Correct and kind.",
        source="reviewer:kari",
        submitted_at=datetime(2026, 3, 4, 9, 30, tzinfo=UTC),
        metadata={"form": 3},
    ),
    "feedback.submitted.v1.minimal": events.FeedbackSubmitted(task_id=_TASK_ID, score=1.0),
    "review.requested.v1": events.ReviewRequested(
        task_id=_TASK_ID,
        result_id=_RESULT_ID,
        decision_id=_DECISION_ID,
        requested_at=1772366401.2,
        type="support",
        reason="sampled",
    ),
    "alert.raised.v1": events.AlertRaised(
        alert_id="breaker/small/1772366400",
        kind="breaker",
        subject="small",
        state=events.AlertState.OPEN,
        raised_at=1772366405.0,
        message="7 of the last 10 calls of small failed; its breaker is open.",
        values={"calls": 10, "failed": 7},
    ),
    "state.v1.spend": _SPEND,
    "state.v1.health": _HEALTH,
    "policy.v1": events.PolicyPublished(
        fingerprint="sha256:4be1",
        published_at=1772366000.0,
        policy={"rules": [{"name": "support", "when": {"type": ["support"]}, "use": {"models": ["small"]}}]},
        registry={"models": [{"name": "small", "tier": "efficient"}]},
    ),
    "lease.requested.v1": events.LeaseRequested(
        lease_id="4b8a7a52-21c5-5f36-9a2e-0b9f0a4a7c33",
        limit="budget:acme:month",
        router="router-1",
        action=events.LeaseAction.RENEW,
        amount=5_000_000_000,
        requested_at=1772366400.0,
        used=4_100_000_000,
    ),
    "lease.granted.v1": events.LeaseGranted(
        lease_id="4b8a7a52-21c5-5f36-9a2e-0b9f0a4a7c33",
        limit="budget:acme:month",
        router="router-1",
        amount=5_000_000_000,
        expires_at=1772366405.0,
        granted_at=1772366400.05,
    ),
    "tables-partials-changelog.spend": _SPEND,
    "tables-partials-changelog.health": _HEALTH,
}
"""Names without `.json`: the topic, and behind it which case. `task.failed.v1` is any bytes; see test_golden."""
