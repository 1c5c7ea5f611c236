"""Where a model is reached and with which key: address, variable and timeout → a provider of sluice.yaml.

Both importers come here, so that a key is handled in one place. What is said is returned, not reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from streams.config.importing.providers import Known, address_of
from streams.config.importing.values import LONGEST_TIMEOUT_S, plain, seconds
from streams.config.importing.variables import Reference, Variables, is_no_key, referred


@dataclass(frozen=True, slots=True)
class Said:
    """A value for sluice.yaml and what is to say of it."""

    value: Any
    what: str
    same: bool = False
    """It means what it meant."""
    lost: bool = False
    """Nothing stands for it."""


def key_of(value: Any, known: Known, variables: Variables, *, wanted: str | None = None) -> Said:  # noqa: ANN401 - plain data
    """The variable that holds a key, None where there is no key."""
    name = referred(value)
    if name is not None:
        found = variables.of_variable(name, f"the key to {known.name}, as before")
        renamed = "" if found == name else ", as sluice.yaml cannot refer to the old name; export it"
        return Said(found, f"`${{{found}}}`{renamed}", same=not renamed)
    if is_no_key(value):
        return Said(None, "no key: Sluice sends no Authorization header", same=True)
    if not isinstance(value, str):
        return Said(None, "not a key", lost=True)
    wanted = wanted or known.key or _variable(known, "API_KEY")
    found = variables.of_value(value, wanted, f"the key to {known.name} that stands in the source")
    return Said(found, f"not copied: `${{{found}}}` stands for it; export {found}")


def expected_key(known: Known, variables: Variables, *, own_address: bool) -> str | None:
    """The variable in which a key is expected where the source gives none; none is sent to other people's hosts."""
    if known.key is None or (own_address and known.base_url is not None):
        return None
    return variables.of_variable(known.key, f"the key to {known.name}")


def address(value: Any, known: Known, variables: Variables) -> Said:  # noqa: ANN401 - plain data
    """The base_url that stands for an address of the source."""
    name = referred(value)
    if name is not None:
        return _at(variables, name, known, "as before")
    found = address_of(known, value) if isinstance(value, str) else None
    if found is None:
        said = _at(
            variables, known.base_variable or _variable(known, "API_BASE"), known, "which begins with http"
        )
        return Said(said.value, f"not an address, so {said.what}")
    if found.stripped:
        return Said(
            found.base_url,
            "without what stood in the address beside host and path (user, password, parameters)",
        )
    same = found.base_url.rstrip("/") == str(value).strip().rstrip("/")
    if same:
        return Said(found.base_url, "`base_url` of its provider", same=True)
    return Said(
        found.base_url,
        f"`base_url` of its provider: chat completions are below `{known.path}`",
    )


def public_address(known: Known, variables: Variables) -> str:
    """The base_url of a provider for which the source gives no address."""
    if known.base_url is not None:
        return known.base_url
    base_url: str = _at(variables, known.base_variable or _variable(known, "API_BASE"), known, "").value
    return base_url


def timeout(value: Any, *, per_second: int = 1) -> Said:  # noqa: ANN401 - plain data
    """A timeout in seconds."""
    found = seconds(value)
    if found is None:
        return Said(None, "not a number of seconds above 0", lost=True)
    found = found / per_second if per_second > 1 else found
    if found > LONGEST_TIMEOUT_S:
        return Said(Decimal(LONGEST_TIMEOUT_S), f"`timeout_s` of its provider, at most {LONGEST_TIMEOUT_S}")
    unit = "" if per_second == 1 else ", in seconds"
    return Said(found, f"`timeout_s: {plain(found)}` of its provider{unit}", same=per_second == 1)


def _at(variables: Variables, name: str, known: Known, what: str) -> Said:
    found = variables.of_variable(
        name, f"the address of {known.name}, without a slash at its end" + (f", {what}" if what else "")
    )
    return Said(
        Reference(f"${{{found}}}{known.path}"),
        f"`base_url: ${{{found}}}{known.path}`; {found} must not end in a slash",
        same=not known.path,
    )


def _variable(known: Known, suffix: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", f"{known.name}_{suffix}".upper())
