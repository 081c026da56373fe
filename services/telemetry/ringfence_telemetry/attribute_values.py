"""What an attribute's value says: a label, a count, an amount of money, a length of time.

Pure, and nothing a sender writes can raise: a value that is not what its field asks for is absent (None, or an empty
text). Every text is cut and every number checked against a bound far inside 64 bits.
"""

import math
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import TypeAlias

from ringfence_telemetry.spans import LABEL_MAX

Value: TypeAlias = str | int | float | bool | bytes | None
"""An attribute's value as a plain one; None for those we have no use for (arrays, maps, none at all)."""

TOKENS_MAX = 1_000_000_000
"""A count above this is a fault of the sender, not usage; a minute of them stays far inside 64 bits."""

COST_MAX_NANOS = 10_000 * 1_000_000_000
"""What one span may state to have cost: ten thousand of any currency. More is a fault of the sender."""

TIME_MAX_MICROS = 24 * 3_600 * 1_000_000
"""A length of time of more than a day is taken for a day."""

_DIGITS_MAX = 19
_AMOUNT_MAX = 40
"""Characters of an amount that is spelled out."""
_NANOS = Decimal(1_000_000_000)


def text_of(value: Value, most: int = LABEL_MAX) -> str:
    """Return a label: text, or an integer as text. Other values are no labels."""
    if not value:
        return ""
    if not isinstance(value, str):
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
    if len(value) > most:
        value = value[:most]
    # PostgreSQL stores no NUL; no honest label holds one.
    return value.replace("\x00", "\N{REPLACEMENT CHARACTER}") if "\x00" in value else value


def integer_of(value: Value) -> int | None:
    """Return the integer a value states: as one, in decimal digits, or as an integral float; None when none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        text = value.strip() if len(value) <= _AMOUNT_MAX else ""
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return None


def tokens_of(value: Value) -> int | None:
    """Return a count of tokens; None when it is none that can be believed."""
    count = integer_of(value)
    return count if count is not None and 0 <= count <= TOKENS_MAX else None


def nanos_of(value: Value) -> int | None:
    """Return an amount of money in billionths, exactly as it is spelled; None when it cannot be believed."""
    amount = _decimal(value)
    if amount is None or not 0 <= amount * _NANOS <= COST_MAX_NANOS:
        return None
    return int((amount * _NANOS).to_integral_value(ROUND_HALF_EVEN))


def micros_of(value: Value, *, unit_micros: int) -> int | None:
    """Return a length of time stated in units of so many microseconds; None when it is none."""
    amount = _decimal(value)
    if amount is None or amount < 0:
        return None
    return int(min(amount * unit_micros, Decimal(TIME_MAX_MICROS)))


def _decimal(value: Value) -> Decimal | None:
    if value is None or isinstance(value, bool | bytes):
        return None
    if isinstance(value, float):
        # The shortest spelling that means this float: 0.1 is a tenth, as whoever wrote it meant.
        return Decimal(repr(value)) if math.isfinite(value) else None
    if isinstance(value, int):
        return Decimal(value)
    text = value.strip() if len(value) <= _AMOUNT_MAX else ""
    if not text.isascii() or not text.replace(".", "", 1).isdecimal():
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
