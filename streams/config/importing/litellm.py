"""LiteLLM's config.yaml → a draft of sluice.yaml, and what became of every key.

A `model_name` is what LiteLLM's clients ask for. Here it becomes a rule: tasks with it as a tag go to its
deployments, each of which is a model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.config.importing import litellm_keys, litellm_model
from streams.config.importing.litellm_model import Context
from streams.config.importing.source import refuse
from streams.config.importing.values import name_of, names_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streams.config.importing.draft import Draft
    from streams.config.importing.report import Ledger
    from streams.config.importing.variables import Variables
    from streams.config.problems import Loc

_SECTIONS = ("router_settings", "litellm_settings", "general_settings")
_FALLBACKS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "default_fallbacks")
_WHY = {
    "fallbacks": "",
    "default_fallbacks": "",
    "context_window_fallbacks": "; a model whose window is too small is passed over before any call",
    "content_policy_fallbacks": "; any failed call moves on, a refusal as well",
}


@dataclass(slots=True)
class _Groups:
    """Models by the name that clients ask for."""

    models: dict[str, list[str]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    """The group that a name asked for means."""
    ids: Mapping[str, str] = field(default_factory=dict)

    def means(self, name: str) -> list[str]:
        """The models behind a name."""
        if name in self.tags:
            return self.models.get(self.tags[name], [])
        return [self.ids[name]] if name in self.ids else []


def import_litellm(data: Mapping[str, Any], ledger: Ledger, variables: Variables) -> tuple[Draft, list[str]]:
    """The draft and notes on the whole.

    Raises:
        ImportFailedError: `model_list` is not a list.
    """
    items = data.get("model_list")
    if items is None:
        items = []
    if not isinstance(items, list):
        refuse("model_list is not a list", "give each model as an item, with model_name and litellm_params")
    for item in items:
        if (name := litellm_model.expected_key(item)) is not None:
            variables.reserve(name)
    context = Context(ledger, variables, credentials=_credentials(data), data=data)
    settings = litellm_keys.Settings(data, ledger, context)
    settings.before_models()
    groups = _models(items, context)
    _aliases(data, groups, ledger)
    settings.after_models()
    _policy(data, groups, context)
    litellm_keys.without_counterpart(data, ledger)
    return context.draft, _notes(context)


def _models(items: list[Any], context: Context) -> _Groups:
    groups = _Groups(ids=context.ids)
    for index, item in enumerate(items):
        loc = ("model_list", index)
        if not isinstance(item, dict):
            context.ledger.none(loc, "not an entry with model_name and litellm_params")
            continue
        name = litellm_model.import_model(item, loc, context)
        group = name_of(item.get("model_name")) or name
        if name is not None and group is not None:
            groups.models.setdefault(group, []).append(name)
            groups.tags[group] = group
    return groups


def _credentials(data: Mapping[str, Any]) -> dict[str, Loc]:
    found: dict[str, Loc] = {}
    listed = data.get("credential_list")
    for index, item in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(item, dict) and isinstance(item.get("credential_values"), dict):
            name = name_of(item.get("credential_name"))
            if name is not None:
                found.setdefault(name, ("credential_list", index, "credential_values"))
    return found


def _aliases(data: Mapping[str, Any], groups: _Groups, ledger: Ledger) -> None:
    for loc, value in _settings(data, "model_group_alias"):
        for alias, meant in (value if isinstance(value, dict) else {}).items():
            group = name_of(meant.get("model") if isinstance(meant, dict) else meant)
            if group in groups.models:
                groups.tags[alias] = group
                ledger.changed((*loc, alias), f"a tag of the rule for `{group}`")
            else:
                ledger.none((*loc, alias), "the model that it means is not imported")


def _policy(data: Mapping[str, Any], groups: _Groups, context: Context) -> None:
    draft, every = context.draft, list(context.draft.models)
    for group, models in groups.models.items():
        tags = [tag for tag, meant in groups.tags.items() if meant == group]
        if tags:
            draft.rule(group, {"tags": tags}, models)
    if not every:
        return
    default = every
    general = data.get("general_settings")
    if isinstance(general, dict) and "completion_model" in general:
        default = groups.means(name_of(general["completion_model"]) or "") or every
        loc = ("general_settings", "completion_model")
        if default is every:
            context.ledger.none(loc, "the model that it means is not imported")
        context.ledger.changed(loc, "`policy.default`: where tasks go that have no tag with a rule")
    stand_in = list(dict.fromkeys(_stand_ins(data, groups, context.ledger)))
    draft.policy |= {"default": {"models": default}, "fallback": {"models": stand_in or every}}


def _stand_ins(data: Mapping[str, Any], groups: _Groups, ledger: Ledger) -> Iterator[str]:
    """Models that any kind of fallback names."""
    for key in _FALLBACKS:
        for loc, value in _settings(data, key):
            for place, names in _named(loc, value):
                found = [model for name in names for model in groups.means(name)]
                yield from found
                if found:
                    what = (
                        "models of `policy.fallback`: one set for all tasks, cheapest first, for any failure"
                    )
                    ledger.changed(place, what + _WHY[key])
                else:
                    ledger.none(place, "no model that it names is imported")


def _named(loc: Loc, value: Any) -> Iterator[tuple[Loc, list[str]]]:  # noqa: ANN401 - plain data
    """Places of a setting for fallbacks, each with the names that stand there."""
    items = value if isinstance(value, list) else [value]
    for index, item in enumerate(items):
        here = (*loc, index) if isinstance(value, list) else loc
        if isinstance(item, dict):
            for asked, names in item.items():
                yield (*here, asked), names_in(names)
    plain = [name_of(item) for item in items]
    if any(plain) and not any(isinstance(item, dict | list) for item in items):
        yield loc, [name for name in plain if name]


def _settings(data: Mapping[str, Any], key: str) -> Iterator[tuple[Loc, Any]]:
    for section in _SECTIONS[:2]:
        values = data.get(section)
        if isinstance(values, dict) and key in values:
            yield (section, key), values[key]


_ASKED = (
    "LiteLLM's clients ask for a model_name. Give a task that name as a tag, and its rule sends it to the cheapest "
    "of its deployments; a task without such a tag goes to the cheapest of `policy.default`. A task with `model` "
    "goes to that one model and no other."
)
_STAND_IN = "`policy.fallback` holds for all tasks. Change it where their data must not go there."
_PLAIN_MODELS = (
    "Every model is of tier standard, as LiteLLM has no tiers; give tiers for rules by tier. Where model_info "
    "says nothing, a model has a window of 128,000 tokens and answers of at most 4,096."
)


def _notes(context: Context) -> list[str]:
    draft = context.draft
    if not draft.models:
        return ["No model could be taken over. Add models by hand: `sluice config schema` shows how."]
    stand_in = _listed(draft.policy["fallback"]["models"])
    notes = [
        _ASKED,
        f"When all models of a rule have failed, any of {stand_in} stands in: {_STAND_IN}",
        _PLAIN_MODELS,
    ]
    if any(endpoint.timeout_s is None for endpoint in draft.providers):
        notes.append("A call may take 60 s where the source gives no timeout; LiteLLM waits longer.")
    if context.left_out:
        notes.append(
            f"Left out, and with them their rules: {_listed(list(dict.fromkeys(context.left_out)))}."
        )
    if context.unpriced:
        notes.append(
            f"No price is known of {_listed(context.unpriced)}: 0 is written, so it counts as the cheapest and is "
            "chosen first. Give the real prices."
        )
    return notes


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


_SHOWN = 6
