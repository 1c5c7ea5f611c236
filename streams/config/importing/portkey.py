"""Portkey's config → a draft of sluice.yaml, and what became of every key.

A target that names a model becomes a model. What the strategies say of them becomes the policy: whom to choose
from, who stands in, and, for conditions at the top, rules.
Source: Portkey's documentation, "Gateway Config Object", "Conditional Routing", "Fallbacks", "Load Balancing".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.config.importing.draft import Draft
from streams.config.importing.portkey_conditions import InexpressibleError, tags_of, when_of
from streams.config.importing.portkey_target import Inherited, Targets, at
from streams.config.importing.values import MOST_ATTEMPTS, name_of, whole
from streams.config.reach import implies, is_empty
from streams.config.settings import When

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.config.importing.report import Ledger
    from streams.config.importing.variables import Variables
    from streams.config.problems import Loc

_OTHER = {
    **dict.fromkeys(
        ("api_version", "azure_api_version"), "not needed: Azure's v1 address has no dated versions"
    ),
    "cache": "Sluice does not keep answers",
    "cb_config": "the breaker of a model opens on the share of its failures and needs no numbers",
    "weight": "the cheapest fit model is called, not a share of each; prices and rules decide",
    "passthrough": "Sluice needs providers and models by name",
    "prompt_id": "Sluice keeps no prompts: tasks bring theirs",
    **dict.fromkeys(
        ("input_guardrails", "before_request_hooks", "guardrails"), "Sluice checks answers, not prompts"
    ),
    **dict.fromkeys(("output_guardrails", "after_request_hooks"), "Sluice has no such checks yet"),
    **dict.fromkeys(
        ("forward_headers", "openai_organization", "openai_project", "strict_open_ai_compliance"),
        "Sluice sends no headers of your own",
    ),
    **dict.fromkeys(("default_params", "override_params"), "send it with the tasks"),
    "drop_params": "Sluice passes on what the task says and nothing else",
    "on_status_codes": "any failed call moves on to the next model",
}
_UNREAD = "nothing in sluice.yaml stands for it"


_STAND_IN = "`policy.fallback` holds for all tasks. Change it where their data must not go there."
_PLAIN_MODELS = (
    "Every model is of tier standard, with a window of 128,000 tokens and answers of at most 4,096, as Portkey's "
    "config does not say; give tiers and limits."
)
_SHOWN = 6


@dataclass(slots=True)
class _Choice:
    """What a target comes to: models to choose from, and models that stand in."""

    first: list[str] = field(default_factory=list)
    then: list[str] = field(default_factory=list)

    @classmethod
    def joined(cls, choices: list[_Choice]) -> _Choice:
        """Any of them."""
        return cls([name for c in choices for name in c.first], [name for c in choices for name in c.then])


def import_portkey(data: Mapping[str, Any], ledger: Ledger, variables: Variables) -> tuple[Draft, list[str]]:
    """The draft and notes on the whole."""
    walk = _Walk(data, ledger, variables)
    walk.top()
    return walk.draft, walk.notes()


class _Walk:
    """Goes through the targets once."""

    def __init__(self, data: Mapping[str, Any], ledger: Ledger, variables: Variables) -> None:
        self.draft = Draft()
        self._data = data
        self._ledger = ledger
        self._targets = Targets(ledger, variables, self.draft)
        self._attempts: list[tuple[Loc, int]] = []
        self._ruled = False
        self._seen: list[tuple[Mapping[str, Any], Loc]] = []
        """Targets, those within before those around them."""

    def top(self) -> None:
        """All of it."""
        choice = self._choice(self._data, (), Inherited())
        first = list(dict.fromkeys(choice.first)) or list(self.draft.models)
        then = [name for name in dict.fromkeys(choice.then) if name not in first]
        if first:
            self.draft.policy = {"default": {"models": first}, "fallback": {"models": then or first}}
        self._retries()
        for node, loc in self._seen:
            self._rest(node, loc)

    def _choice(self, node: Mapping[str, Any], loc: Loc, inherited: Inherited) -> _Choice:
        self._own_retry(node, loc)
        targets_key, targets = at(node, "targets")
        if targets_key is None or not isinstance(targets, list):
            if targets_key is not None:
                self._ledger.none((*loc, targets_key), "not a list of targets")
            name = self._targets.model(node, loc, inherited)
            choice = _Choice([name] if name is not None else [])
        else:
            inherited = self._targets.inherit(node, loc, inherited)
            below: list[tuple[str | None, _Choice]] = []
            for index, target in enumerate(targets):
                here = (*loc, targets_key, index)
                if isinstance(target, dict):
                    below.append((self._name(target, here), self._choice(target, here, inherited)))
                else:
                    self._ledger.none(here, "not a target")
            choice = self._strategy(node, loc, below)
        self._seen.append((node, loc))
        return choice

    def _name(self, target: Mapping[str, Any], loc: Loc) -> str | None:
        key, value = at(target, "name")
        if key is not None:
            self._ledger.changed((*loc, key), "conditions that name the target mean its models")
        return name_of(value)

    # --- Strategies ------------------------------------------------------------------------------------

    def _strategy(
        self, node: Mapping[str, Any], loc: Loc, below: list[tuple[str | None, _Choice]]
    ) -> _Choice:
        key, strategy = at(node, "strategy")
        strategy = strategy if isinstance(strategy, dict) else {}
        mode = name_of(strategy.get("mode")) or "single"
        here: Loc = (*loc, key or "strategy")
        choices = [choice for _, choice in below]
        said = ""
        match mode:
            case "loadbalance":
                choice, said = (
                    _Choice.joined(choices),
                    "the cheapest fit model of these is called, not a share of each",
                )
            case "fallback":
                choice, said = (
                    _in_turn(choices),
                    "the first is chosen; the others are in `policy.fallback`, cheapest first",
                )
            case "conditional":
                choice = self._conditional(strategy, here, below, top=not loc)
                said = "conditions are rules, tried in their order"
            case _:
                choice = choices[0] if choices else _Choice()
        if key is not None and "mode" in strategy:
            say = self._ledger.changed if said else self._ledger.taken
            say((*here, "mode"), said or "the model is the only one to choose from")
            self._ledger.none(here, _OTHER["on_status_codes"])
        return choice

    def _conditional(
        self, strategy: Mapping[str, Any], loc: Loc, below: list[tuple[str | None, _Choice]], *, top: bool
    ) -> _Choice:
        named = {name: choice for name, choice in reversed(below) if name is not None}
        conditions = strategy.get("conditions")
        for index, condition in enumerate(conditions if isinstance(conditions, list) else []):
            self._condition(condition, (*loc, "conditions", index), named, top=top)
        default = named.get(name_of(strategy.get("default")) or "")
        if "default" in strategy:
            if default is None or not default.first:
                self._ledger.none((*loc, "default"), "no model of this target is imported")
            else:
                self._ledger.taken((*loc, "default"), "`policy.default`, for tasks that no rule matches")
        joined = _Choice.joined([choice for _, choice in below])
        if not top:
            return joined
        return _Choice(list(default.first) if default else [], joined.then)

    def _condition(
        self,
        condition: Any,  # noqa: ANN401 - plain data
        loc: Loc,
        named: Mapping[str, _Choice],
        *,
        top: bool,
    ) -> None:
        if not isinstance(condition, dict) or "query" not in condition:
            self._ledger.none(loc, "not a condition with `query` and `then`")
            return
        target = named.get(name_of(condition.get("then")) or "")
        try:
            when = when_of(condition["query"])
        except InexpressibleError as error:
            self._ledger.none(loc, f"no rule: {error}")
            return
        if not top:
            self._ledger.none(
                loc, "no rule: only conditions at the top become rules; any of the targets may be chosen"
            )
        elif target is None or not target.first:
            self._ledger.none(loc, "no rule: no model of its target is imported")
        elif self._hidden(when):
            self._ledger.none(loc, "no rule: a condition above takes every task that this one would")
        else:
            rule = self.draft.rule(str(condition["then"]), when, list(dict.fromkeys(target.first)))
            self._ruled = True
            tags = ", ".join(tags_of(when))
            self._ledger.changed((*loc, "query"), f"rule `{rule}` asks for tags: {tags}")
            self._ledger.taken(loc, "`use` of the rule")

    def _hidden(self, when: dict[str, Any]) -> bool:
        this = When.model_validate(when)
        others = [When.model_validate(rule["when"]) for rule in self.draft.rules.values()]
        return is_empty(this) or any(implies(this, other) for other in others)

    # --- The rest --------------------------------------------------------------------------------------

    def _own_retry(self, node: Mapping[str, Any], loc: Loc) -> None:
        key, retry = at(node, "retry")
        if key is None or not isinstance(retry, dict):
            return
        here = (*loc, key)
        attempts = whole(retry.get("attempts"), least=0)
        if attempts is not None:
            self._attempts.append(((*here, "attempts"), min(attempts + 1, MOST_ATTEMPTS)))
        for name in ("use_retry_after_headers", "use_retry_after_header"):
            if name in retry:
                say = self._ledger.taken if retry[name] is True else self._ledger.changed
                say((*here, name), "Retry-After is always honoured, up to `retry.max_s`")
        if "on_status_codes" in retry:
            self._ledger.none(
                (*here, "on_status_codes"), "what is worth repeating is known by kind: 408, 429, 5xx"
            )

    def _retries(self) -> None:
        if not self._attempts:
            return
        outermost = min(len(loc) for loc, _ in self._attempts)
        chosen = max(attempts for loc, attempts in self._attempts if len(loc) == outermost)
        self.draft.retry["max_attempts"] = chosen
        for loc, attempts in self._attempts:
            if attempts == chosen:
                self._ledger.changed(
                    loc, f"`retry.max_attempts: {chosen}`, which counts the first call, for each model"
                )
            self._ledger.none(loc, f"retries are set once for all calls, `retry.max_attempts: {chosen}`")

    def _rest(self, node: Mapping[str, Any], loc: Loc) -> None:
        for key in node:
            self._ledger.none((*loc, key), _OTHER.get(self._plain(key), _UNREAD))

    @staticmethod
    def _plain(key: str) -> str:
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in key)

    def notes(self) -> list[str]:
        """What no single key stands for."""
        draft = self.draft
        if not draft.models:
            return ["No model could be taken over. Add models by hand: `sluice config schema` shows how."]
        stand_in = ", ".join(draft.policy["fallback"]["models"][:_SHOWN])
        found = [
            f"When all chosen models have failed, any of {stand_in} stands in: {_STAND_IN}",
            _PLAIN_MODELS,
        ]
        if self._ruled:
            found.insert(
                0, "Rules ask for tags where Portkey asked for metadata: have producers tag their tasks."
            )
        if any(endpoint.timeout_s is None for endpoint in draft.providers):
            found.append("A call may take 60 s where the source gives no request_timeout.")
        if self._targets.unpriced:
            found.append(
                f"No price is known of {', '.join(self._targets.unpriced)}: 0 is written, so it counts as the "
                "cheapest and is chosen first. Give the real prices."
            )
        return found


def _in_turn(choices: list[_Choice]) -> _Choice:
    """The first that has a model, then all that the others have."""
    filled = [choice for choice in choices if choice.first]
    if not filled:
        return _Choice()
    rest = _Choice.joined(filled[1:])
    return _Choice(filled[0].first, [*filled[0].then, *rest.first, *rest.then])
