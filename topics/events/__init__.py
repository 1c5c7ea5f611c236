"""Event types, one module per entity. Frozen, slotted dataclasses that orjson writes and msgspec validates.

Inside a version only optional fields are added. Readers ignore unknown fields; an enum value that this
version does not know decodes to `unknown`.
"""

from topics.events.alert import AlertRaised, AlertState
from topics.events.call import CallCompleted, CallStatus, CheckOutcome, CostSource, RateLimits, Usage
from topics.events.dead_letter import DeadLetter
from topics.events.decision import (
    Candidates,
    Features,
    ModelInputs,
    Plan,
    PlanKind,
    StateInputs,
    Step,
    StrategyNote,
    TaskRouted,
)
from topics.events.feedback import FeedbackKind, FeedbackSubmitted
from topics.events.lease import LeaseAction, LeaseGranted, LeaseRequested
from topics.events.policy import PolicyPublished
from topics.events.result import Answer, CallSummary, Failure, ResultStatus, ReviewRequested, TaskCompleted
from topics.events.state import (
    HealthBucket,
    HealthPartial,
    PartialKind,
    SpendPartial,
    SpendWindow,
)
from topics.events.task import Message, Requirements, Role, Task

__all__ = [
    "AlertRaised",
    "AlertState",
    "Answer",
    "CallCompleted",
    "CallStatus",
    "CallSummary",
    "Candidates",
    "CheckOutcome",
    "CostSource",
    "DeadLetter",
    "Failure",
    "Features",
    "FeedbackKind",
    "FeedbackSubmitted",
    "HealthBucket",
    "HealthPartial",
    "LeaseAction",
    "LeaseGranted",
    "LeaseRequested",
    "Message",
    "ModelInputs",
    "PartialKind",
    "Plan",
    "PlanKind",
    "PolicyPublished",
    "RateLimits",
    "Requirements",
    "ResultStatus",
    "ReviewRequested",
    "Role",
    "SpendPartial",
    "SpendWindow",
    "StateInputs",
    "Step",
    "StrategyNote",
    "Task",
    "TaskCompleted",
    "TaskRouted",
    "Usage",
]
