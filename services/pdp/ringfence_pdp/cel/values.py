"""How CEL values are held in Python, and the text forms of times.

| CEL                | Python                         | CEL       | Python          |
| ------------------ | ------------------------------ | --------- | --------------- |
| bool, string, null | bool, str, None                | uint      | UInt            |
| int                | int, within 64 bits            | timestamp | Timestamp, in ns |
| double             | float                          | duration  | Duration, in ns |
| bytes              | bytes                          | list, map | list or tuple, dict |

UInt, Timestamp and Duration are ints of their own class: comparing two of a kind costs what comparing ints costs, and
`type()` tells the kinds apart wherever a value's type is known only at run time.
"""

import re
from datetime import UTC, datetime, timedelta

from ringfence_pdp.cel.problems import EvaluationError

Value = object
"""Any value of the table above."""

INT_MIN, INT_MAX = -(1 << 63), (1 << 63) - 1
UINT_MAX = (1 << 64) - 1

NANOS_PER_SECOND = 1_000_000_000
NANOS_PER_MILLI = 1_000_000

# google.protobuf.Timestamp: 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.
TIMESTAMP_MIN = -62_135_596_800 * NANOS_PER_SECOND
TIMESTAMP_MAX = 253_402_300_800 * NANOS_PER_SECOND - 1
# CEL implementations hold a duration as signed 64-bit nanoseconds.
DURATION_MIN, DURATION_MAX = INT_MIN, INT_MAX


class UInt(int):
    """An unsigned 64-bit integer."""

    __slots__ = ()


class Timestamp(int):
    """An instant, in nanoseconds since 1970-01-01T00:00:00Z."""

    __slots__ = ()


class Duration(int):
    """A signed length of time, in nanoseconds."""

    __slots__ = ()


_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)  # RFC 3339 5.6, upper-case letters as CEL writes them
_DURATION = re.compile(r"([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:h|ms|m|us|ns|s))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|us|ns|s)", re.ASCII)
_UNITS = {
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": NANOS_PER_SECOND,
    "ms": NANOS_PER_MILLI,
    "us": 1_000,
    "ns": 1,
}
_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_TEXT_MAX = 64
"""No instant or length of time needs more; a longer text is refused before any pattern runs over it."""


def parse_timestamp(text: str) -> Timestamp:
    """Return the instant an RFC 3339 text names."""
    match = _TIMESTAMP.fullmatch(text) if len(text) <= _TEXT_MAX else None
    if match is None:
        raise EvaluationError(f"{text[:_TEXT_MAX]!r} is not an RFC 3339 time such as '2026-01-31T08:00:00Z'")
    *parts, fraction, zone = match.groups()
    try:
        moment = datetime(*map(int, parts), tzinfo=UTC)  # type: ignore[arg-type,misc]  # the pattern gives six numbers
    except ValueError as error:
        raise EvaluationError(f"{text!r} is not a date and time that exists: {error}") from error
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    seconds -= 0 if zone == "Z" else parse_offset(zone)
    return checked_timestamp(seconds * NANOS_PER_SECOND + int((fraction or "0").ljust(9, "0")))


def parse_offset(text: str) -> int:
    """Return the seconds east of Greenwich that a fixed offset such as `+02:00` names; `UTC` is zero."""
    if text == "UTC":
        return 0
    match = _OFFSET.fullmatch(text) if len(text) <= _TEXT_MAX else None
    if match is None or int(match[2]) > 23 or int(match[3]) > 59:
        raise EvaluationError(f"{text[:_TEXT_MAX]!r} is not 'UTC' or a fixed offset such as '+02:00'")
    seconds = int(match[2]) * 3_600 + int(match[3]) * 60
    return -seconds if match[1] == "-" else seconds


def parse_duration(text: str) -> Duration:
    """Return the length of time that a text such as `1h30m` or `-250ms` names."""
    if len(text) > _TEXT_MAX or (text != "0" and _DURATION.fullmatch(text) is None):
        raise EvaluationError(f"{text[:_TEXT_MAX]!r} is not a length of time such as '1h30m' or '250ms'")
    total = sum(_nanos(amount, _UNITS[unit]) for amount, unit in _DURATION_PART.findall(text))
    return checked_duration(-total if text.startswith("-") else total)


def _nanos(amount: str, unit: int) -> int:
    whole, _, fraction = amount.partition(".")
    part = int(fraction) * unit // 10 ** len(fraction) if fraction else 0
    return int(whole or "0") * unit + part


def checked_timestamp(nanos: int) -> Timestamp:
    """Return the instant, or fail when it lies outside the years 1 to 9999."""
    if TIMESTAMP_MIN <= nanos <= TIMESTAMP_MAX:
        return Timestamp(nanos)
    raise EvaluationError("the time lies outside the years 1 to 9999")


def checked_duration(nanos: int) -> Duration:
    """Return the length of time, or fail when it does not fit 64 bits of nanoseconds."""
    if DURATION_MIN <= nanos <= DURATION_MAX:
        return Duration(nanos)
    raise EvaluationError("the length of time overflows 64 bits of nanoseconds")
