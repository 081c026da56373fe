"""The functions of the condition language, as functions.py lists them.

Operands are already of a right type, or are checked here where a function takes several.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.cel.runtime import int_result, kind_of, uint_result
from ringfence_pdp.cel.values import (
    NANOS_PER_SECOND,
    Duration,
    Timestamp,
    UInt,
    Value,
    parse_duration,
    parse_offset,
    parse_timestamp,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UPPER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_LOWER = {small: capital for capital, small in _UPPER.items()}
_INTEGER = re.compile(r"-?\d{1,20}", re.ASCII)
_DOUBLE = re.compile(r"[+-]?(?:\d{1,64}(?:\.\d{0,64})?|\.\d{1,64})(?:[eE][+-]?\d{1,4})?", re.ASCII)


class Pattern(Protocol):
    """A compiled regular expression of linear-time semantics (RE2)."""

    def search(self, text: str) -> object | None:
        """Return something when the pattern occurs in the text."""
        ...


def starts_with(text: str, prefix: str) -> bool:
    """`text.startsWith(prefix)`."""
    return text.startswith(prefix)


def ends_with(text: str, suffix: str) -> bool:
    """`text.endsWith(suffix)`."""
    return text.endswith(suffix)


def contains(text: str, part: str) -> bool:
    """`text.contains(part)`."""
    return part in text


def matches(text: str, pattern: Pattern) -> bool:
    """`text.matches(pattern)`: anywhere in the text."""
    return pattern.search(text) is not None


def lower_ascii(text: str) -> str:
    """`text.lowerAscii()`: other letters stay as they are."""
    return text.lower() if text.isascii() else text.translate(_UPPER)


def upper_ascii(text: str) -> str:
    """`text.upperAscii()`: other letters stay as they are."""
    return text.upper() if text.isascii() else text.translate(_LOWER)


def size(value: Value) -> int:
    """`size(value)`: code points, bytes, elements or entries."""
    if isinstance(value, (str, bytes, list, tuple, dict)):
        return len(value)
    raise EvaluationError(f"a {kind_of(value)} has no size")


# Conversions


def to_int(value: Value) -> int:
    """`int(value)`: a double loses its fraction, a timestamp gives seconds."""
    match value:
        case bool() | Duration():
            pass
        case Timestamp():
            return value // NANOS_PER_SECOND
        case int():
            return int_result(int(value))
        case float():
            # Compared before converting: an infinity or NaN has no integer. The least int is out of range as a double:
            # cel-spec holds both ends to be (conversions, double_int_min_range).
            return int_result(int(value)) if abs(value) < 2.0**63 else int_result(1 << 64)
        case str() if _INTEGER.fullmatch(value):
            return int_result(int(value))
    raise _no_conversion(value, "an int")


def to_uint(value: Value) -> UInt:
    """`uint(value)`."""
    match value:
        case bool() | Duration() | Timestamp():
            pass
        case int():
            return uint_result(int(value))
        case float():
            return uint_result(int(value)) if -1 < value < 2.0**64 else uint_result(-1)
        case str() if _INTEGER.fullmatch(value):
            return uint_result(int(value))
    raise _no_conversion(value, "a uint")


def to_double(value: Value) -> float:
    """`double(value)`."""
    match value:
        case bool() | Duration() | Timestamp():
            pass
        case int() | float():
            return float(value)
        case str() if _DOUBLE.fullmatch(value):
            return float(value)
    raise _no_conversion(value, "a double")


def to_string(value: Value) -> str:
    """`string(value)`."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() if type(value) in (int, UInt):
            return str(int(value))
    raise _no_conversion(value, "a string")


def to_timestamp(value: Value) -> Timestamp:
    """`timestamp(value)`."""
    match value:
        case Timestamp():
            return value
        case str():
            return parse_timestamp(value)
    raise _no_conversion(value, "a timestamp")


def to_duration(value: Value) -> Duration:
    """`duration(value)`."""
    match value:
        case Duration():
            return value
        case str():
            return parse_duration(value)
    raise _no_conversion(value, "a duration")


def _no_conversion(value: Value, wanted: str) -> EvaluationError:
    shown = f" {value[:40]!r}" if isinstance(value, str) else ""
    return EvaluationError(f"the {kind_of(value)}{shown} cannot be made {wanted}")


# What a session did before (not CEL's)


class _Session(Protocol):
    """What the functions of a session ask; they raise EvaluationError where it is not wholly known."""

    def formerly(self, action: str, within: int) -> bool:
        """Say whether an action happened within so many nanoseconds."""
        ...

    def count_within(self, action: str, within: int) -> int:
        """Return how often it happened."""
        ...

    def sum_within(self, action: str, argument: str, within: int) -> float:
        """Return what one of its arguments adds up to."""
        ...

    def distinct_within(self, action: str, member: str, within: int) -> int:
        """Return how many different ones there were."""
        ...


def formerly(session: _Session, action: str, within: Duration) -> bool:
    """Ask the session."""
    return session.formerly(action, within)


def count_within(session: _Session, action: str, within: Duration) -> int:
    """Ask the session."""
    return session.count_within(action, within)


def sum_within(session: _Session, action: str, argument: str, within: Duration) -> float:
    """Ask the session."""
    return session.sum_within(action, argument, within)


def distinct_within(session: _Session, action: str, member: str, within: Duration) -> int:
    """Ask the session."""
    return session.distinct_within(action, member, within)


# Parts of a time (langdef, "Timestamps"): months and days count from zero, getDate from one


def _part(read: Callable[[datetime], int]) -> Callable[..., int]:
    def part(instant: Timestamp, zone: str = "UTC") -> int:
        if type(instant) is not Timestamp:
            raise EvaluationError(f"a {kind_of(instant)} is no timestamp")
        try:
            moment = _EPOCH + timedelta(microseconds=int(instant) // 1_000, seconds=parse_offset(zone))
        except OverflowError:
            raise EvaluationError("the time lies outside the years 1 to 9999") from None
        return read(moment)

    return part


full_year = _part(lambda moment: moment.year)
month = _part(lambda moment: moment.month - 1)
day_of_year = _part(lambda moment: moment.timetuple().tm_yday - 1)
day_of_month = _part(lambda moment: moment.day - 1)
date = _part(lambda moment: moment.day)
day_of_week = _part(lambda moment: moment.isoweekday() % 7)
milliseconds = _part(lambda moment: moment.microsecond // 1_000)


def _part_or_total(read: Callable[[datetime], int], unit: int) -> Callable[..., int]:
    of_timestamp = _part(read)

    def part(value: Value, zone: str = "UTC") -> int:
        if type(value) is Duration:
            return abs(value) // unit * (1 if value >= 0 else -1)
        return of_timestamp(value, zone)

    return part


hours = _part_or_total(lambda moment: moment.hour, 3_600 * NANOS_PER_SECOND)
minutes = _part_or_total(lambda moment: moment.minute, 60 * NANOS_PER_SECOND)
seconds = _part_or_total(lambda moment: moment.second, NANOS_PER_SECOND)
