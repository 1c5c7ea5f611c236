"""One target of Portkey's config → a model of sluice.yaml and the provider it is called at.

Portkey keeps keys and addresses behind names of the user's own (`@openai-prod`, virtual keys). Whose they are is
told by the name, or else by the model's, and said to be a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.config.importing import access, providers
from streams.config.importing.draft import Draft, Endpoint
from streams.config.importing.pricing import Costs, Origin, priced
from streams.config.importing.values import name_of
from streams.config.importing.variables import valid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from streams.config.importing.access import Said
    from streams.config.importing.report import Ledger
    from streams.config.importing.variables import Variables
    from streams.config.problems import Loc

_MILLISECONDS = 1_000
_LONGEST_SLUG = 40
_BY_LITELLM = {"openai": "openai", "anthropic": "anthropic", "cohere": "cohere", "vertex_ai": "google"}


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a target has from those around it."""

    params: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: Decimal | None = None


@dataclass(frozen=True, slots=True)
class _Account:
    """Whose models a target calls, and as whom."""

    known: providers.Known
    slug: str | None = None
    """The user's own name for it."""
    guessed: bool = False


def at(node: Mapping[str, Any], key: str) -> tuple[str | None, Any]:
    """A key as it is written, with underscores or in camel case, and its value."""
    head, *words = key.split("_")
    camel = head + "".join(word.capitalize() for word in words)
    return next(((name, node[name]) for name in (key, camel) if name in node), (None, None))


class Targets:
    """Makes models of targets."""

    def __init__(self, ledger: Ledger, variables: Variables, draft: Draft) -> None:
        self._ledger = ledger
        self._variables = variables
        self._draft = draft
        self._made: dict[tuple[str, str], str] = {}
        self.unpriced: list[str] = []

    def inherit(self, node: Mapping[str, Any], loc: Loc, inherited: Inherited) -> Inherited:
        """What targets below this one have from it."""
        _, override = at(node, "override_params")
        params = dict(inherited.params) | (override if isinstance(override, dict) else {})
        return Inherited(params, self._timeout(node, loc, inherited))

    def model(self, node: Mapping[str, Any], loc: Loc, inherited: Inherited) -> str | None:
        """The name of the target's model; None where it is left out."""
        place, text = self._model_text(node, loc, inherited)
        slug, model = _split(text)
        account = self._account(node, slug, model)
        if isinstance(account, str) or model is None:
            why = (
                account
                if isinstance(account, str)
                else "the model comes with each request; Sluice needs it by name"
            )
            self._left_out(node, loc, place, why)
            return None
        if not self._addressable(node, account):
            self._left_out(
                node, loc, place, f"the address of {account.known.name} is not in the config; add it by hand"
            )
            return None
        provider = self._provider(node, loc, account, inherited)
        _, override = at(node, "override_params")
        similar = name_of(override.get("model")) if isinstance(override, dict) else None
        return self._add(provider, account, model, place, [similar] if similar else [])

    # --- Which model, whose ----------------------------------------------------------------------------

    def _model_text(
        self, node: Mapping[str, Any], loc: Loc, inherited: Inherited
    ) -> tuple[Loc | None, str | None]:
        """Where the model is named, and how. At Azure the deployment decides, whatever else is said."""
        for name in ("deployment_id", "azure_deployment_id", "azure_deployment_name"):
            key, value = at(node, name)
            if key is not None and (text := name_of(value)) is not None:
                return (*loc, key), text
        for section in ("override_params", "default_params"):
            key, params = at(node, section)
            if key is not None and isinstance(params, dict) and (text := name_of(params.get("model"))):
                return (*loc, key, "model"), text
        return None, name_of(inherited.params.get("model"))

    def _account(self, node: Mapping[str, Any], slug: str | None, model: str | None) -> _Account | str:
        provider = name_of(at(node, "provider")[1])
        if provider is not None and not provider.startswith("@"):
            return self._named(node, provider)
        slug = (
            slug or (provider.removeprefix("@") if provider else None) or name_of(at(node, "virtual_key")[1])
        )
        if not slug:
            return "it names no provider"
        guess = providers.by_slug(slug) or _BY_LITELLM.get(providers.by_model(model or "") or "")
        if guess is None:
            return "what is behind its name only Portkey knows; add the provider and the model by hand"
        if reason := providers.unspoken(guess):
            return f"{reason}, which Sluice does not speak yet"
        return _Account(providers.PORTKEY[guess], slug, guessed=True)

    @staticmethod
    def _named(node: Mapping[str, Any], provider: str) -> _Account | str:
        if provider in providers.PORTKEY:
            return _Account(providers.PORTKEY[provider])
        if reason := providers.unspoken(provider):
            return f"{reason}, which Sluice does not speak yet"
        if at(node, "custom_host")[0] is not None:
            return _Account(providers.Known(valid(provider).lower().replace("_", "-")), guessed=True)
        return "the provider is not known here; add it under `providers` where it speaks chat completions"

    def _addressable(self, node: Mapping[str, Any], account: _Account) -> bool:
        given = ("custom_host", "resource_name", "azure_resource_name")
        return account.known.base_url is not None or any(at(node, key)[0] is not None for key in given)

    def _left_out(self, node: Mapping[str, Any], loc: Loc, place: Loc | None, why: str) -> None:
        if place is not None:
            self._ledger.none(place, f"left out: {why}")
        for name in ("provider", "virtual_key", "api_key", "custom_host"):
            key, _ = at(node, name)
            if key is not None:
                self._ledger.none((*loc, key), f"left out: {why}")

    # --- Provider --------------------------------------------------------------------------------------

    def _provider(self, node: Mapping[str, Any], loc: Loc, account: _Account, inherited: Inherited) -> str:
        base_url = self._base_url(node, loc, account.known)
        key, value = at(node, "api_key")
        named = _variable_of(account)
        if key is not None:
            api_key = self._say(
                (*loc, key), access.key_of(value, account.known, self._variables, wanted=named)
            )
        elif named is not None:
            what = f"the key that Portkey keeps as {account.slug}"
            api_key = self._variables.of_value(f"portkey:{account.slug}", named, what)
        else:
            own = at(node, "custom_host")[0] is not None
            api_key = access.expected_key(account.known, self._variables, own_address=own)
        timeout_s = self._timeout(node, loc, inherited)
        provider = self._draft.provider(Endpoint(account.known.name, base_url, api_key, timeout_s))
        self._say_provider(node, loc, account, provider)
        return provider

    def _say_provider(self, node: Mapping[str, Any], loc: Loc, account: _Account, provider: str) -> None:
        what = f"provider `{provider}`"
        if account.guessed:
            what += ", taken to be that by its name; check it"
        for name in ("provider", "virtual_key"):
            key = self._first(node, name)
            if key is not None:
                say = self._ledger.changed if account.guessed or name == "virtual_key" else self._ledger.taken
                say((*loc, key), what)

    def _base_url(self, node: Mapping[str, Any], loc: Loc, known: providers.Known) -> str:
        key, value = at(node, "custom_host")
        if key is not None:
            found: str = self._say((*loc, key), access.address(value, known, self._variables))
            return found
        for name in ("resource_name", "azure_resource_name"):
            key, value = at(node, name)
            if key is not None:
                host = f"https://{name_of(value) or ''}.openai.azure.com"
                said = access.address(host, known, self._variables)
                self._ledger.changed((*loc, key), "`base_url` of its provider, Azure's v1 address")
                base_url: str = said.value
                return base_url
        return access.public_address(known, self._variables)

    def _timeout(self, node: Mapping[str, Any], loc: Loc, inherited: Inherited) -> Decimal | None:
        key, value = at(node, "request_timeout")
        if key is None:
            return inherited.timeout_s
        found: Decimal | None = self._say((*loc, key), access.timeout(value, per_second=_MILLISECONDS))
        return found or inherited.timeout_s

    # --- Model -----------------------------------------------------------------------------------------

    def _add(
        self, provider: str, account: _Account, model: str, place: Loc | None, similar: list[str]
    ) -> str:
        known = account.known
        if (provider, model) not in self._made:
            found = priced(
                Costs(),
                provider=known.name,
                provider_name=provider,
                model=model,
                similar=[model.rpartition("/")[2], *similar],
                own=known.own,
            )
            entry: dict[str, Any] = {"provider": provider, "model": model}
            entry |= {"prices": found.prices} if found.prices is not None else {}
            name = self._draft.model(model, entry)
            self._made[provider, model] = name
            if found.origin is Origin.UNKNOWN:
                self.unpriced.append(name)
        name = self._made[provider, model]
        if place is not None:
            remark = "; no price is known: 0 is written, give the real one" if name in self.unpriced else ""
            say = self._ledger.changed if remark or account.slug is not None else self._ledger.taken
            say(place, f"model `{name}` of provider `{provider}`{remark}")
        return name

    def _say(self, loc: Loc, said: Said) -> Any:  # noqa: ANN401 - plain data
        say = self._ledger.none if said.lost else self._ledger.taken if said.same else self._ledger.changed
        say(loc, said.what)
        return said.value

    @staticmethod
    def _first(node: Mapping[str, Any], name: str) -> str | None:
        return at(node, name)[0]


def _variable_of(account: _Account) -> str | None:
    """A variable called after the user's own name for the account; None where the usual one will do."""
    slug = account.slug
    if slug is None or account.known.key is None or slug.startswith("sk-") or len(slug) > _LONGEST_SLUG:
        return None  # what is long is perhaps a key, and a key makes no name
    name = f"{valid(slug).upper()}_API_KEY"
    return None if name == f"{account.known.name.upper()}_API_KEY" else name


def _split(text: str | None) -> tuple[str | None, str | None]:
    """`@slug/model` → both."""
    if text is None or not text.startswith("@"):
        return None, text
    slug, _, model = text[1:].partition("/")
    return slug or None, model or None
