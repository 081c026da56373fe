"""Reading the value of a comparison as the type its field has, or saying what would be right."""

import math
import re
from datetime import UTC, datetime

from ringfence_registry.finding.filtering.errors import FilterError, quoted
from ringfence_registry.finding.filtering.tree import Text

NANOS_PER_MILLI = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(?P<whole>\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2})(\.(?P<fraction>\d{1,9}))?(?P<offset>[Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)
_NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def flag(value: Text) -> bool:
    """Read true or false."""
    if value.text in {"true", "false"}:
        return value.text == "true"
    raise _wrong(value, "true or false")


def choice(value: Text, choices: tuple[str, ...]) -> str:
    """Read one of `choices`."""
    if value.text in choices:
        return value.text
    raise _wrong(value, f"one of {', '.join(choices)}")


def number(value: Text) -> float:
    """Read a finite number; whole numbers stay exact."""
    if _NUMBER.fullmatch(value.text) is None:
        raise _wrong(value, "a number")
    if value.text.lstrip("-").isdigit() and len(value.text) < 40:
        return int(value.text)
    parsed = float(value.text)
    if not math.isfinite(parsed):
        raise _wrong(value, "a finite number")
    return parsed


def nanos(value: Text) -> int:
    """Read an RFC 3339 time with an offset, as nanoseconds since the epoch."""
    matched = _TIME.fullmatch(value.text)
    wanted = 'a time such as "2026-01-31T12:00:00Z"'
    if matched is None:
        raise _wrong(value, wanted)
    try:
        moment = datetime.fromisoformat((matched["whole"] + matched["offset"]).upper())
        since = moment - _EPOCH
    except (ValueError, OverflowError):
        raise _wrong(value, wanted) from None
    whole = since.days * 86_400 + since.seconds
    return whole * 1_000_000_000 + int((matched["fraction"] or "").ljust(9, "0"))


def _wrong(value: Text, wanted: str) -> FilterError:
    return FilterError(value.column, f"{quoted(value.text)} is not {wanted}")
