"""Values of the source as what they are meant to be, or None: whole numbers, numbers, seconds, prices."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

_MILLION_EXPONENT = 6
_DIGITS = 60
"""More digits, or a larger exponent, than any price, limit or time has."""

LONGEST_TIMEOUT_S = 3600
HIGHEST_PRICE_USD = 10_000
MOST_CALLS = 10_000
MOST_ATTEMPTS = 10
MOST_STEPS = 10


def number(value: Any) -> Decimal | None:  # noqa: ANN401 - plain data
    """A number, also one that is written as text; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    if isinstance(value, int) and value.bit_length() > _DIGITS * 3:
        return None
    if isinstance(value, str) and len(value) > _DIGITS:
        return None
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    exact = found.is_finite() and len(found.as_tuple().digits) <= _DIGITS and abs(found.adjusted()) <= _DIGITS
    return found if exact else None


def whole(value: Any, least: int = 1) -> int | None:  # noqa: ANN401 - plain data
    """A whole number that is not below `least`; None for all else."""
    found = number(value)
    return None if found is None or found != found.to_integral_value() or found < least else int(found)


def per_million(value: Any) -> Decimal | None:  # noqa: ANN401 - plain data
    """A price of one token as that of a million, exactly; None for what is no price that sluice.yaml can hold."""
    found = number(value)
    if found is None or found < 0:
        return None
    with localcontext(prec=2 * _DIGITS):
        price = found.scaleb(_MILLION_EXPONENT)
    return price if price <= HIGHEST_PRICE_USD else None


def seconds(value: Any) -> Decimal | None:  # noqa: ANN401 - plain data
    """A timeout in seconds above zero; None for all else."""
    found = number(value)
    return None if found is None or found <= 0 else found


def plain(found: Decimal) -> str:
    """A number as one writes it: no exponent, no zeros behind."""
    text = f"{found:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def name_of(value: Any) -> str | None:  # noqa: ANN401 - plain data
    """A name; None where there is none. A number in a file is a name that somebody did not quote."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and number(value) is not None:
        return str(value)
    return None


def names_in(value: Any) -> list[str]:  # noqa: ANN401 - plain data
    """The names in a list, or one name; a section in a list gives its `model`."""
    items = value if isinstance(value, list) else [value]
    found = [name_of(item.get("model") if isinstance(item, dict) else item) for item in items]
    return [name for name in found if name is not None]
