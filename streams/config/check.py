"""Whether well-formed settings make sense together: names that exist, rules that can match, known prices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from streams.config.document import Document
from streams.config.problems import Problem, Severity, did_you_mean, quoted
from streams.config.reach import implies, is_empty
from streams.config.secrets import SecretRef

if TYPE_CHECKING:
    from streams.config.problems import Loc
    from streams.config.settings import Model, Settings, Use


@dataclass(frozen=True, slots=True)
class Places:
    """Where the settings under check stand in their file, of which faulty entries may have been set aside."""

    document: Document = field(default_factory=lambda: Document("sluice.yaml"))
    kept: Mapping[Loc, tuple[int, ...]] = field(default_factory=dict)
    """Positions in the file of the items of lists that are shorter here."""
    aside: frozenset[Loc] = frozenset()
    """What was set aside."""

    def loc(self, loc: Loc) -> Loc:
        """The path in the file."""
        found: Loc = ()
        for part in loc:
            known = self.kept.get(found) if isinstance(part, int) else None
            found = (*found, known[part] if known is not None and isinstance(part, int) else part)
        return found

    def line(self, loc: Loc) -> int:
        """Line in the file."""
        return self.document.positions[self.document.resolve(self.loc(loc))].line

    def written(self, loc: Loc) -> bool:
        """Whether the file says it, or it is the default."""
        return self.loc(loc) in self.document.positions

    def lacks(self, loc: Loc) -> bool:
        """Whether this or what is around it was set aside."""
        here = self.loc(loc)
        return any(here[: len(loc)] == loc for loc in self.aside)

    def lacks_tiers(self) -> bool:
        """Whether the tier of a model is not known, or a model is missing altogether."""
        return any(
            loc[:1] == ("models",) and (len(loc) < len(("models", 0, "")) or loc[2] == "tier")
            for loc in self.aside
        )

    def names(self, key: str, names: Iterable[str]) -> list[str]:
        """Names of models or providers, those of faulty ones too: they exist."""
        data = self.document.data.get(key)
        if isinstance(data, dict):
            return list(data)
        items = data if isinstance(data, list) else []
        written = (item.get("name") for item in items if isinstance(item, dict))
        return list(dict.fromkeys([*(name for name in written if isinstance(name, str)), *names]))

    def problem(self, loc: Loc, message: str, cure: str, severity: Severity = Severity.ERROR) -> Problem:
        """A problem at that place."""
        here = self.loc(loc)
        if isinstance(here[-1], int) and here[:-1] in self.document.scalars:
            here = here[:-1]  # one value that stands for a list of it
        return self.document.problem(here, message, cure, severity)


def check(
    settings: Settings,
    *,
    environ: Mapping[str, str],
    require_models: bool = False,
    places: Places | None = None,
) -> list[Problem]:
    """All that does not make sense; secrets that are not in the environment are warnings.

    Args:
        settings: what to check.
        environ: environment variables, for the secrets; their values are not used.
        require_models: it is an error when there are no models.
        places: where the settings come from; without it problems have no lines.
    """
    at = places or Places()
    problems = [
        *_models(settings, at),
        *_duplicates([model.name for model in settings.models], ("models",), "model", at),
        *_duplicates([rule.name for rule in settings.policy.rules], ("policy", "rules"), "rule", at),
        *_uses(settings, at),
        *_reachable(settings, at),
        *_security(settings, at),
        *_secrets(settings, environ, at),
    ]
    if require_models and not settings.models and not at.lacks_tiers():
        cure = "add at least one under `models`; `sluice config schema` and the documentation show how"
        problems.append(at.problem(("models",), "there are no models", cure))
    aside = at.aside
    return [each for each in problems if not any(_inside(each, loc, at) for loc in aside)]


def _inside(problem: Problem, aside: Loc, at: Places) -> bool:
    """Whether a problem is about a default that stands where something was set aside."""
    if len(aside) == 0:
        return True
    about = at.document.problem(aside, "", "").key
    return problem.key == about or problem.key.startswith((f"{about}.", f"{about}["))


def _models(settings: Settings, at: Places) -> Iterator[Problem]:
    providers = at.names("providers", settings.providers)
    for index, model in enumerate(settings.models):
        loc = ("models", index)
        if model.provider not in providers:
            message = f"no provider is called {quoted(model.provider)}"
            cure = did_you_mean(model.provider, providers) if providers else "add it under `providers`"
            yield at.problem((*loc, "provider"), message, cure)
        limits = ((*loc, "max_output_tokens"), (*loc, "context_window"))
        if model.max_output_tokens > model.context_window and not any(map(at.lacks, limits)):
            message = (
                f"max_output_tokens {model.max_output_tokens} is above context_window {model.context_window}"
            )
            yield at.problem(
                limits[0] if at.written(limits[0]) else limits[1],
                message,
                "the window holds input and output together",
            )
        unknown = at.lacks((*loc, "prices")) or at.lacks((*loc, "model"))
        if model.prices is None and not unknown and not _priced(model):
            message = f"the price catalogue does not know {quoted(model.model or model.name)}"
            cure = (
                "correct `model`, or give `prices: {input_usd_per_mtok: …, output_usd_per_mtok: …}`"
                " (both 0 for a model of your own)"
            )
            yield at.problem((*loc, "model" if at.written((*loc, "model")) else "name"), message, cure)


def _priced(model: Model) -> bool:
    from streams.config.price_catalogue import catalogue_prices  # noqa: PLC0415 - 0.2 s, only where prices are not given

    return catalogue_prices(model.provider, model.model or model.name) is not None


def _duplicates(names: list[str], loc: Loc, noun: str, at: Places) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in first:
            line = at.line((*loc, first[name], "name"))
            message = f"two {noun}s are called {quoted(name)}, the first on line {line}"
            yield at.problem((*loc, index, "name"), message, "rename one")
        first.setdefault(name, index)


def _uses(settings: Settings, at: Places) -> Iterator[Problem]:
    for index, rule in enumerate(settings.policy.rules):
        yield from _use(rule.use, ("policy", "rules", index, "use"), settings, at)
    yield from _use(settings.policy.default, ("policy", "default"), settings, at)
    yield from _use(settings.policy.fallback, ("policy", "fallback"), settings, at)


def _use(use: Use, loc: Loc, settings: Settings, at: Places) -> Iterator[Problem]:
    names = at.names("models", (model.name for model in settings.models))
    for index, name in enumerate(use.models or ()):
        if name not in names:
            cure = did_you_mean(name, names) if names else "add it under `models`"
            yield at.problem((*loc, "models", index), f"no model is called {quoted(name)}", cure)
    if not settings.models or at.lacks_tiers():
        return
    filled = list(dict.fromkeys(model.tier for model in settings.models))
    vacant = [(index, tier) for index, tier in enumerate(use.tiers or ()) if tier not in filled]
    useless = bool(use.tiers) and len(vacant) == len(use.tiers or ())
    cure = f"give a model this tier, or name others; tiers with models: {', '.join(filled)}"
    if not at.written(loc):
        if useless:
            tiers = ", ".join(use.tiers or ())
            yield at.problem(loc, f"no model is of a tier that this means by default ({tiers})", cure)
        return
    for index, tier in vacant:
        severity = Severity.ERROR if useless else Severity.WARNING
        yield at.problem((*loc, "tiers", index), f"no model is of tier {tier}", cure, severity)


def _reachable(settings: Settings, at: Places) -> Iterator[Problem]:
    rules = [
        (("policy", "rules", index), rule)
        for index, rule in enumerate(settings.policy.rules)
        if not at.lacks(("policy", "rules", index, "when"))
    ]
    for index, (loc, rule) in enumerate(rules):
        if is_empty(rule.when) and index < len(rules) - 1:
            message = f"rule {quoted(rule.name)} matches every task, so no rule below it is ever tried"
            yield at.problem((*loc, "when"), message, "move it to the end, or give it conditions")
        earlier = (
            (first, other)
            for first, other in rules[:index]
            if not is_empty(other.when) and implies(rule.when, other.when)
        )
        for first, other in earlier:
            line = at.line(first)
            message = (
                f"rule {quoted(rule.name)} can never match: rule {quoted(other.name)} on line {line}"
                " takes every task that it would"
            )
            yield at.problem((*loc, "when"), message, "move it above that rule, or change its conditions")
            break


def _security(settings: Settings, at: Places) -> Iterator[Problem]:
    """Keys that the protocol makes no use of: whoever wrote them believes they protect something."""
    security = settings.kafka.security
    unused: list[str] = []
    if not security.protocol.startswith("SASL"):
        unused += [key for key in ("mechanism", "username", "password") if getattr(security, key) is not None]
        cure = "use the protocol SASL_SSL or SASL_PLAINTEXT, or remove it"
        for key in unused:
            message = f"protocol {security.protocol} does not use {key}"
            yield at.problem(("kafka", "security", key), message, cure)
    if not security.protocol.endswith("SSL"):
        cure = "use the protocol SSL or SASL_SSL, or remove it"
        for key in ("ca_file", "cert_file", "key_file"):
            if getattr(security, key) is not None:
                message = f"protocol {security.protocol} does not use {key}"
                yield at.problem(("kafka", "security", key), message, cure)


def _secrets(settings: Settings, environ: Mapping[str, str], at: Places) -> Iterator[Problem]:
    for loc, secret in _references(settings, ()):
        if not environ.get(secret.name):
            message = f"environment variable {secret.name} is not set"
            yield at.problem(loc, message, "export it before starting", Severity.WARNING)


def _references(value: Any, loc: Loc) -> Iterator[tuple[Loc, SecretRef]]:  # noqa: ANN401 - anything in the settings
    if isinstance(value, SecretRef):
        yield loc, value
    elif isinstance(value, BaseModel):
        for key in type(value).model_fields:
            yield from _references(getattr(value, key), (*loc, key))
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield from _references(below, (*loc, key))
    elif isinstance(value, tuple):
        for index, below in enumerate(value):
            yield from _references(below, (*loc, index))
