"""The decision: features → filters → predictions → objective → plan, for a batch, with a record of all of it.

A pure function of (tasks, world, policy with registry, time). The order of tasks and the size of the batch do not
matter: every decision depends on its own task alone. In this form the objective is the price: of the models
that the first matching rule names (or the default), the cheapest able and healthy one is called; the others,
and then the policy's fallback, stand in when it fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.decide.features import Submission, understand
from streams.decide.filters import asked_model, judge
from streams.decide.predictions import predict
from streams.decide.rules import first_match
from topics.events import Candidates, ModelInputs, Plan, PlanKind, StateInputs, Step, StrategyNote, TaskRouted
from topics.headers import decision_id_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.decide.filters import Eligibility
    from streams.decide.policy import CompiledPolicy, Mask
    from streams.decide.predictions import Predictions
    from streams.decide.world import World
    from topics.events import Features

USE, FALLBACK, OUT = 0, 1, 2
GROUPS = ("use", "fallback", "out")
_GROUP_NAMES = np.array(GROUPS, dtype=np.object_)
COST_DIGITS = 9
"""Costs are recorded to the nano-dollar."""


def decide(
    batch: Sequence[Submission],
    *,
    policy: CompiledPolicy,
    world: World,
    now: float,
) -> list[TaskRouted]:
    """Decide on every task of a batch, in its order.

    Args:
        batch: tasks with their identities.
        policy: compiled policy and registry.
        world: what is known right now.
        now: seconds since the epoch.
    """
    if not batch:
        return []
    settings = policy.policy
    features = [
        understand(
            item.task,
            default_max_tokens=settings.default_max_tokens,
            with_language=policy.needs_language,
        )
        for item in batch
    ]
    predicted = predict(features, policy.registry)
    eligibility = judge(batch, features, predicted, policy.registry, world, now)
    matched = [first_match(settings.rules, feature) for feature in features]
    named = _named(matched, batch, policy)
    group, rescued = _groups(named, eligibility, policy)
    order = _price_order(group, predicted)
    recorder = _Recorder(policy, world, now, predicted, eligibility, group)
    return [
        recorder.record(
            row, batch[row], features[row], matched[row], group[row], order[row], rescued=bool(rescued[row])
        )
        for row in range(len(batch))
    ]


def _named(matched: Sequence[int | None], batch: Sequence[Submission], policy: CompiledPolicy) -> Mask:
    """Models that rule or default name; all of them where the task itself insists on one."""
    everything = np.ones(len(policy.registry.models), dtype=np.bool_)
    rows = [
        everything if asked_model(item) else policy.default_mask if rule is None else policy.rule_masks[rule]
        for rule, item in zip(matched, batch, strict=True)
    ]
    return np.array(rows)


def _groups(
    named: Mask, eligibility: Eligibility, policy: CompiledPolicy
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.int8]], Mask]:
    """Group of every (task, model); and for which tasks open breakers had to be ignored."""
    wanted = named | policy.fallback_mask[None, :]
    usable = eligibility.able & eligibility.healthy & wanted
    rescued: Mask = np.zeros(len(named), dtype=np.bool_)
    if policy.policy.when_all_open == "try":
        rescued = np.logical_and(~usable.any(axis=1), (eligibility.able & wanted).any(axis=1))
        usable = np.where(rescued[:, None], eligibility.able & wanted, usable)
    group = np.where(usable, np.where(named, USE, FALLBACK), OUT).astype(np.int8)
    return group, rescued


def _price_order(
    group: np.ndarray[tuple[int, int], np.dtype[np.int8]], predicted: Predictions
) -> np.ndarray[tuple[int, int], np.dtype[np.intp]]:
    """Models by group, then by expected cost, then by their place in the registry."""
    order: np.ndarray[tuple[int, int], np.dtype[np.intp]] = np.lexsort((predicted.cost_usd, group), axis=1)
    return order


class _Recorder:
    """Turns rows of the batch's arrays into decision records."""

    def __init__(
        self,
        policy: CompiledPolicy,
        world: World,
        now: float,
        predicted: Predictions,
        eligibility: Eligibility,
        group: np.ndarray[tuple[int, int], np.dtype[np.int8]],
    ) -> None:
        self._policy = policy
        self._now = now
        self._eligibility = eligibility
        self._names = tuple(model.name for model in policy.registry.models)
        self._limits = predicted.output_limit.tolist()
        self._costs = np.round(predicted.cost_usd, COST_DIGITS).tolist()
        self._worst = np.round(predicted.worst_cost_usd, COST_DIGITS).tolist()
        self._latency = np.round(predicted.latency_s, 3).tolist()
        self._quality = np.round(predicted.quality, 4).tolist()
        self._score = np.negative(np.round(predicted.cost_usd, COST_DIGITS)).tolist()
        self._groups = _GROUP_NAMES[group].tolist()
        self._any_excluded: list[bool] = np.any(~(eligibility.able & eligibility.healthy), axis=1).tolist()
        self._best = policy.registry.best() if self._names else None
        self._inputs = StateInputs(
            age_s=world.age_s,
            models=tuple(
                ModelInputs(
                    name, world.health[name].breaker, world.health[name].calls, world.health[name].failures
                )
                for name in self._names
                if name in world.health
            ),
        )

    def record(
        self,
        row: int,
        item: Submission,
        features: Features,
        rule: int | None,
        group: np.ndarray[tuple[int], np.dtype[np.int8]],
        order: np.ndarray[tuple[int], np.dtype[np.intp]],
        *,
        rescued: bool,
    ) -> TaskRouted:
        groups = group.tolist()
        ranked = [column for column in order.tolist() if groups[column] != OUT]
        failure = self._failure(item, ranked)
        steps = () if failure else self._steps(row, ranked)
        worst = self._worst[row]
        chosen_by = self._chosen_by(item, rule)
        return TaskRouted(
            decision_id=decision_id_of(item.task_id, item.source),
            task_id=item.task_id,
            source=item.source,
            decided_at=self._now,
            seed=self._policy.policy.seed,
            fingerprint=self._policy.fingerprint,
            plan=Plan(PlanKind.SINGLE if steps else PlanKind.NONE, steps),
            reason=self._reason(row, item, ranked, groups, failure, chosen_by),
            failure_code=failure,
            reserved_usd=max((step.reserved_usd for step in steps), default=0.0),
            features=features,
            candidates=Candidates(
                models=self._names,
                group=tuple(self._groups[row]),
                excluded=self._excluded(row, groups),
                expected_cost_usd=tuple(self._costs[row]),
                worst_cost_usd=tuple(worst),
                expected_latency_s=tuple(self._latency[row]),
                quality=tuple(self._quality[row]),
                score=tuple(self._score[row]),
            ),
            strategies=self._notes(chosen_by, groups, rescued=rescued),
            inputs=self._inputs,
            propensity=1.0,
            lambda_per_usd=1.0,
            mu_per_s=0.0,
            baseline_usd=0.0 if self._best is None else self._costs[row][self._best],
        )

    def _failure(self, item: Submission, ranked: list[int]) -> str | None:
        if ranked:
            return None
        if item.task.deadline is not None and item.task.deadline.timestamp() <= self._now:
            return "deadline_passed"
        asked = asked_model(item)
        if asked is not None and asked not in self._policy.registry.index:
            return "unknown_model"
        return "no_eligible_model"

    def _steps(self, row: int, ranked: list[int]) -> tuple[Step, ...]:
        return tuple(
            Step(self._names[column], self._limits[row][column], self._worst[row][column])
            for column in ranked[: self._policy.policy.max_steps]
        )

    def _chosen_by(self, item: Submission, rule: int | None) -> str:
        if asked_model(item):
            return f"the task asks for {item.task.model}"
        return "default" if rule is None else f"rule {self._policy.policy.rules[rule].name}"

    def _excluded(self, row: int, groups: list[int]) -> dict[str, tuple[str, ...]]:
        if not self._any_excluded[row]:
            return {}
        return {
            self._names[column]: reasons
            for column, g in enumerate(groups)
            if g == OUT and (reasons := self._eligibility.reasons(row, column))
        }

    def _notes(self, chosen_by: str, groups: list[int], *, rescued: bool) -> tuple[StrategyNote, ...]:
        notes = [StrategyNote("rules", f"{chosen_by}: {groups.count(USE)} of {len(groups)} models")]
        if rescued:
            notes.append(StrategyNote("when_all_open", "every breaker is open: tried all the same"))
        return tuple(notes)

    def _reason(
        self,
        row: int,
        item: Submission,
        ranked: list[int],
        groups: list[int],
        failure: str | None,
        chosen_by: str,
    ) -> str:
        if failure == "deadline_passed":
            return (
                f"the deadline {item.task.deadline} had passed when the task was decided; submit it earlier"
            )
        if failure == "unknown_model":
            known = ", ".join(self._names) or "none"
            return f"no model is called {item.task.model}; known: {known}"
        if failure:
            excluded = self._excluded(row, groups)
            each = "; ".join(f"{name}: {', '.join(reasons)}" for name, reasons in excluded.items())
            return f"no model can serve this task. {each or 'The policy names none.'}"
        first = ranked[0]
        if groups[first] == FALLBACK:
            return f"{self._names[first]} stands in: all models of {chosen_by} are excluded"
        count = groups.count(USE)
        return f"{chosen_by}: {self._names[first]} is the cheapest of {count} eligible"
