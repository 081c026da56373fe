"""Shares as they are written, kept and reckoned with: fractions of whole numbers, never floating point.

- a share is written `0.99` or `99/100`, with at most nine digits to a number, so that none grows without bound;
- what is returned is exact: a decimal where the fraction is one of up to eighteen places, else `a/b`.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

DIGITS_MAX = 9
PLACES_MAX = 18
EXACT_MAX = 120
"""Characters of an exact share that still say something to somebody; a longer one is cut to a decimal."""

_DECIMAL = re.compile(rf"[0-9]{{1,{DIGITS_MAX}}}(\.[0-9]{{1,{DIGITS_MAX}}})?")
_QUOTIENT = re.compile(rf"([0-9]{{1,{DIGITS_MAX}}})/([0-9]{{1,{DIGITS_MAX}}})")


@dataclass(frozen=True, slots=True)
class Ratio:
    """A fraction in the form in which it is kept."""

    top: int
    bottom: int

    @classmethod
    def of(cls, value: Fraction) -> "Ratio":
        """Return `value` as it is kept."""
        return cls(value.numerator, value.denominator)

    @property
    def fraction(self) -> Fraction:
        """The fraction."""
        return Fraction(self.top, self.bottom)


ONE = Ratio(1, 1)


def read(text: str) -> Fraction | None:
    """Return the share that `text` writes, or None when it writes none."""
    if _DECIMAL.fullmatch(text):
        return Fraction(text)
    found = _QUOTIENT.fullmatch(text)
    return None if found is None or not int(found[2]) else Fraction(int(found[1]), int(found[2]))


def exact(value: Fraction) -> str:
    """Return `value` as a text that `read` or any arithmetic takes back without loss."""
    places = _places(value.denominator)
    if places is None:
        return f"{value.numerator}/{value.denominator}"
    return decimal(value, places)


def exact_or_cut(value: Fraction) -> str:
    """Return `value` exactly, or cut after eighteen places when that would be a text of thousands of digits."""
    if value.denominator.bit_length() > EXACT_MAX * 3:
        return decimal(value, PLACES_MAX)
    return exact(value)


def decimal(value: Fraction, places: int = 8) -> str:
    """Return `value` as a decimal, cut, not rounded, after `places`, without zeros at the end."""
    sign = "-" if value < 0 else ""
    whole, rest = divmod(abs(value.numerator) * 10**places // value.denominator, 10**places)
    digits = f"{rest:0{places}d}".rstrip("0") if places else ""
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def _places(denominator: int) -> int | None:
    """Return how many decimal places a fraction of this denominator has; None when it never ends, or too late."""
    twos = fives = 0
    while denominator % 2 == 0:
        denominator //= 2
        twos += 1
    while denominator % 5 == 0:
        denominator //= 5
        fives += 1
    places = max(twos, fives)
    return places if denominator == 1 and places <= PLACES_MAX else None
