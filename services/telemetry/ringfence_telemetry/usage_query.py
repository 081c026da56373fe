"""Questions about usage: what to sum, over which minutes, by what, and who may ask."""

import enum
from dataclasses import dataclass, field

from ringfence_telemetry.usage import ZERO, Counts

ROWS_MAX = 10_000
"""Rows of one answer: those with the most tokens. A question that has more is better asked of a narrower window."""


class UsageGroup(enum.Enum):
    """What to sum by; the values are the names of UsageKey's fields."""

    AGENT = "agent"
    SESSION = "session"
    MODEL = "model"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """What to sum."""

    agent: str = ""
    """Only this agent; empty means all."""
    session: str = ""
    """Only this session; empty means all."""
    first_minute: int | None = None
    """From this minute on; None means from the beginning."""
    end_minute: int | None = None
    """Up to, and without, this minute; None means until now."""
    group_by: tuple[UsageGroup, ...] = ()
    """Each at most once; none sums everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotals:
    """One row of an answer. Trusted and untrusted usage never share a row."""

    groups: tuple[str, ...] = ()
    """A value for each of the query's groups, in its order."""
    untrusted: bool = False
    counts: Counts = field(default=ZERO)
