"""One entry of LiteLLM's `model_list` → a model of sluice.yaml and the provider it is called at.

Source: LiteLLM's documentation, "Config.yaml", "All settings", "Custom pricing" and "Provider-specific params".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.config.importing import access, providers
from streams.config.importing.draft import Draft, Endpoint
from streams.config.importing.pricing import Costs, Origin, Priced, priced
from streams.config.importing.values import MOST_CALLS, name_of, number, per_million, whole
from streams.config.importing.variables import Variables, referred
from streams.config.problems import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from streams.config.importing.access import Said
    from streams.config.importing.report import Ledger
    from streams.config.problems import Loc

DEFAULT_WINDOW = 128_000
DEFAULT_OUTPUT = 4_096
_NOT_YET = "Sluice has no such limit yet"
_PRICES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached",
}
_PRICE_KEYS = {
    "input": "input_usd_per_mtok",
    "output": "output_usd_per_mtok",
    "cached": "cached_input_usd_per_mtok",
}
_CAPABILITIES = {"function_calling": "tools", "response_schema": "json", "vision": "vision"}

PARAMETERS = {
    **dict.fromkeys(
        ("rpm", "tpm"),
        f"{_NOT_YET}; a throttled call moves to another model, and `max_concurrency` bounds its calls",
    ),
    "weight": "the cheapest fit model is called, not a share of each; prices and rules decide",
    "order": "the cheapest fit model is called first; there is no order by hand",
    **dict.fromkeys(
        ("max_budget", "budget_duration"), f"{_NOT_YET}; a task may carry `requirements.max_cost_usd`"
    ),
    "api_version": "not needed: Azure's v1 address has no dated versions",
    "azure_ad_token": "Sluice takes a key; export one and give it as `api_key`",
    "stream_timeout": "Sluice does not stream",
    **dict.fromkeys(
        ("max_retries", "num_retries"), "retries are set once for all calls: `retry.max_attempts`"
    ),
    **dict.fromkeys(
        ("temperature", "top_p", "seed", "stop", "response_format", "tools", "tool_choice", "max_tokens"),
        "send it with the tasks",
    ),
    **dict.fromkeys(
        ("extra_headers", "headers", "organization", "extra_body"),
        "Sluice sends no headers or fields of your own",
    ),
    "tags": "write a rule, `when: {tags: …}`, that uses this model",
    "mock_response": "use `sluice simulate` for answers that cost nothing",
}
"""Keys of `litellm_params` (and of the entry itself) without counterpart, and what to do instead."""

INFORMATION = {
    "base_model": "looked at for the price only",
    "access_groups": "Sluice has no keys of its own: rules with `when: {tenant: …}` say who uses which model",
    "supported_environments": "keep a sluice.yaml for each environment",
}
_INFORMATION = "information that nothing in Sluice reads"
_PARAMETER = "a parameter of LiteLLM's call that Sluice does not send"


@dataclass(slots=True)
class Context:
    """What all entries share."""

    ledger: Ledger
    variables: Variables
    draft: Draft = field(default_factory=Draft)
    credentials: Mapping[str, Loc] = field(default_factory=dict)
    """Where the values of a named credential stand."""
    data: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: Decimal | None = None
    max_concurrency: int | None = None
    ids: dict[str, str] = field(default_factory=dict)
    """Names of models by `model_info.id`."""
    unpriced: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Called:
    """Whose model it is."""

    known: providers.Known
    model: str
    guessed: str = ""
    """Why this is not certain."""


def import_model(item: Mapping[str, Any], loc: Loc, context: Context) -> str | None:
    """Add the entry's model; its name, None where it is left out."""
    params, info = item.get("litellm_params"), item.get("model_info")
    information = info if isinstance(info, dict) else {}
    called = _called(params, information) if isinstance(params, dict) else "it has no `litellm_params`"
    if isinstance(called, str) or not isinstance(params, dict):
        name = name_of(item.get("model_name"))
        context.left_out += [name] if name else []
        context.ledger.none(loc, f"{quoted(name) if name else 'a model'} is left out: {called}")
        return None
    return _Entry(item, loc, context, called, params, information).add()


def expected_key(item: Any) -> str | None:  # noqa: ANN401 - plain data
    """The variable that LiteLLM reads the key of an entry from, where the entry gives none."""
    params = item.get("litellm_params") if isinstance(item, dict) else None
    if not isinstance(params, dict) or "api_key" in params:
        return None
    called = _called(params, {})
    return None if isinstance(called, str) else called.known.key


def _called(params: Mapping[str, Any], info: Mapping[str, Any]) -> _Called | str:
    """Whose model an entry means, or why it is left out."""
    text = name_of(params.get("model"))
    if text is None or referred(text):
        return "its `model` is not written here; Sluice needs the names of models and providers"
    if (name_of(info.get("mode")) or "chat") != "chat" or providers.is_no_chat(text):
        return "not a model for chat completions, and Sluice speaks nothing else"
    if "*" in text:
        return "it stands for every model of a provider; Sluice needs each by name: add those that you use"
    head, slash, tail = text.partition("/")
    given = name_of(params.get("custom_llm_provider"))
    spoken = head in providers.LITELLM or providers.unspoken(head) is not None
    provider = given or (head if slash and spoken else providers.by_model(text))
    model = tail if slash and head == provider else text
    if provider in providers.LITELLM and model:
        return _Called(providers.LITELLM[provider], model)
    if provider is not None and (reason := providers.unspoken(provider)):
        return f"{reason}, which Sluice does not speak yet"
    return _stranger(given or (head if slash else None), tail if slash and not given else text, params)


def _stranger(provider: str | None, model: str, params: Mapping[str, Any]) -> _Called | str:
    """A provider that is not known here: the address, where there is one, may do."""
    if not model or not (params.get("api_base") or params.get("base_url")):
        return "the provider is not known here; add it under `providers` where it speaks chat completions"
    name = re.sub(r"[^a-z0-9]+", "-", (provider or "custom").lower()).strip("-")[:60]
    why = "the provider is not known here; its address is taken to speak chat completions"
    return _Called(providers.Known(name or "custom"), model, why)


@dataclass(slots=True)
class _Entry:
    """One entry on its way."""

    item: Mapping[str, Any]
    loc: Loc
    context: Context
    called: _Called
    params: Mapping[str, Any]
    info: Mapping[str, Any]

    def add(self) -> str:
        group = name_of(self.item.get("model_name")) or self.called.model
        provider = self._provider()
        fields: dict[str, Any] = {"provider": provider, "model": self.called.model}
        found = self._priced(provider, group)
        fields |= {"prices": found.prices} if found.prices is not None else {}
        fields |= self._limits() | self._capabilities() | self._rest()
        name = self.context.draft.model(group, fields)
        self._name(name, group, provider, found)
        self._without_counterpart()
        return name

    def _name(self, name: str, group: str, provider: str, found: Priced) -> None:
        ledger, params = self.context.ledger, (*self.loc, "litellm_params")
        if "model_name" in self.item:
            if name == group:
                ledger.taken((*self.loc, "model_name"), f"model `{name}`")
            else:
                ledger.changed(
                    (*self.loc, "model_name"), f"model `{name}`: every deployment is a model of its own"
                )
        what = f"`model: {self.called.model}` of provider `{provider}`"
        remarks = [self.called.guessed, _price_remark(found)]
        if found.origin is Origin.UNKNOWN:
            self.context.unpriced.append(name)
        if any(remarks):
            ledger.changed((*params, "model"), "; ".join([what, *filter(None, remarks)]))
        ledger.taken((*params, "model"), what)
        if "custom_llm_provider" in self.params:
            ledger.taken((*params, "custom_llm_provider"), "the model's provider")
        if (identity := name_of(self.info.get("id"))) is not None:
            self.context.ids.setdefault(identity, name)
            ledger.changed((*self.loc, "model_info", "id"), f"fallbacks that name it mean `{name}`")

    # --- Provider --------------------------------------------------------------------------------------

    def _provider(self) -> str:
        known, context = self.called.known, self.context
        base = self._access("api_base", "base_url")
        if base is None:
            base_url: Any = access.public_address(known, context.variables)
        else:
            base_url = self._say(base[0], access.address(base[1], known, context.variables))
        key = self._access("api_key")
        if key is None:
            api_key = access.expected_key(known, context.variables, own_address=base is not None)
        else:
            api_key = self._say(key[0], access.key_of(key[1], known, context.variables))
        timeout_s = context.timeout_s
        if "timeout" in self.params:
            said = access.timeout(self.params["timeout"])
            timeout_s = self._say((*self.loc, "litellm_params", "timeout"), said) or timeout_s
        return context.draft.provider(Endpoint(known.name, base_url, api_key, timeout_s))

    def _access(self, *keys: str) -> tuple[Loc, Any] | None:
        """A key of the entry, or of the credential that it names."""
        for key in keys:
            if self.params.get(key) is not None:
                return (*self.loc, "litellm_params", key), self.params[key]
        loc = self.context.credentials.get(name_of(self.params.get("litellm_credential_name")) or "")
        if loc is None:
            return None
        said = "the key and the address are those of the credential"
        self.context.ledger.taken((*self.loc, "litellm_params", "litellm_credential_name"), said)
        values: Any = self.context.data
        for part in loc:
            values = values[part]
        return next((((*loc, key), values[key]) for key in keys if values.get(key) is not None), None)

    # --- Model -----------------------------------------------------------------------------------------

    def _priced(self, provider: str, group: str) -> Priced:
        found: dict[str, Decimal] = {}
        for section in (self.params, self.info):
            below = (*self.loc, "litellm_params" if section is self.params else "model_info")
            for key in _PRICES.keys() & section.keys():
                self._price(section[key], (*below, key), _PRICES[key], found)
            if (fee := number(section.get("input_cost_per_request"))) is not None and 0 <= fee <= 1_000:  # noqa: PLR2004 - settings' limit
                found.setdefault("request", fee)
                self.context.ledger.taken((*below, "input_cost_per_request"), "`prices.request_usd`")
        similar = [name_of(self.info.get("base_model")), self.called.model, group]
        return priced(
            Costs(**found),
            provider=self.called.known.name,
            provider_name=provider,
            model=self.called.model,
            similar=[name.partition("/")[2] or name for name in similar if name],
            own=self.called.known.own,
        )

    def _price(self, value: Any, loc: Loc, part: str, found: dict[str, Decimal]) -> None:  # noqa: ANN401 - plain data
        price = per_million(value)
        if price is None:
            self.context.ledger.none(loc, "not a price from 0 to 10,000 USD for a million tokens")
        elif part in found:
            self.context.ledger.none(loc, "the price in `litellm_params` counts")
        else:
            found[part] = price
            self.context.ledger.changed(loc, f"`prices.{_PRICE_KEYS[part]}`: for a million tokens, exactly")

    def _limits(self) -> dict[str, int]:
        ledger, info = self.context.ledger, (*self.loc, "model_info")
        window = whole(self.info.get("max_input_tokens"))
        output_key = "max_output_tokens" if "max_output_tokens" in self.info else "max_tokens"
        output = whole(self.info.get(output_key))
        for key, value in (("max_input_tokens", window), (output_key, output)):
            if key in self.info and value is None:
                ledger.none((*info, key), "not a number of tokens")
        if window is not None:
            ledger.changed(
                (*info, "max_input_tokens"), "`context_window`, which holds input and output together"
            )
        most = window or max(DEFAULT_WINDOW, output or 0)
        limit = min(output or DEFAULT_OUTPUT, most)
        if output is not None and output != limit:
            ledger.changed((*info, output_key), f"`max_output_tokens: {limit}`, as the window holds no more")
        elif output is not None and output_key == "max_tokens":
            ledger.changed((*info, output_key), "`max_output_tokens`")
        elif output is not None:
            ledger.taken((*info, output_key), "`max_output_tokens`")
        if "max_tokens" in self.info:
            ledger.none((*info, "max_tokens"), "`max_output_tokens` counts")
        fields = {"context_window": most} if most != DEFAULT_WINDOW else {}
        return fields | ({"max_output_tokens": limit} if limit != DEFAULT_OUTPUT else {})

    def _capabilities(self) -> dict[str, list[str]]:
        has = dict.fromkeys(("tools", "json"))
        given = [key for key in self.info if key.startswith("supports_") and key != "supports_"]
        for key in given:
            loc, word = (*self.loc, "model_info", key), key.removeprefix("supports_")
            name = _CAPABILITIES.get(word, word)
            if self.info[key] is True:
                has[name] = None
                say = self.context.ledger.taken if word in _CAPABILITIES else self.context.ledger.changed
                say(
                    loc,
                    f"capability `{name}`"
                    if word in _CAPABILITIES
                    else f"capability `{name}`, for tasks that ask for it",
                )
            elif self.info[key] is False:
                has.pop(name, None)
                self.context.ledger.taken(loc, f"`{name}` is not among its capabilities")
            else:
                self.context.ledger.none(loc, "neither true nor false")
        return {"capabilities": list(has)} if list(has) != ["tools", "json"] else {}

    def _rest(self) -> dict[str, Any]:
        ledger, params = self.context.ledger, (*self.loc, "litellm_params")
        fields: dict[str, Any] = {}
        if (region := name_of(self.params.get("region_name"))) is not None:
            fields["region"] = region
            ledger.taken((*params, "region_name"), "`region`, for tasks that require one")
        calls = whole(self.params.get("max_parallel_requests"))
        if calls is not None:
            ledger.changed(
                (*params, "max_parallel_requests"), "`max_concurrency`, which bounds one router's calls"
            )
        calls = calls or self.context.max_concurrency
        return fields | ({"max_concurrency": min(calls, MOST_CALLS)} if calls else {})

    def _without_counterpart(self) -> None:
        ledger = self.context.ledger
        for key in self.params:
            ledger.none((*self.loc, "litellm_params", key), PARAMETERS.get(key, _PARAMETER))
        if "mode" in self.info:
            ledger.taken((*self.loc, "model_info", "mode"), "chat completions, which is what Sluice speaks")
        for key in self.info:
            ledger.none((*self.loc, "model_info", key), INFORMATION.get(key, _INFORMATION))
        for key in self.item:
            ledger.none((*self.loc, key), PARAMETERS.get(key, _INFORMATION))

    def _say(self, loc: Loc, said: Said) -> Any:  # noqa: ANN401 - plain data
        ledger = self.context.ledger
        say = ledger.none if said.lost else ledger.taken if said.same else ledger.changed
        say(loc, said.what)
        return said.value


def _price_remark(found: Priced) -> str:
    match found.origin:
        case Origin.SIMILAR:
            return f"prices are those of {found.similar_to} in the catalogue"
        case Origin.OWN_SERVER:
            return "prices are 0: a server of your own"
        case Origin.UNKNOWN:
            return "no price is known: 0 is written, give the real one"
        case _:
            return ""
