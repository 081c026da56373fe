"""Questions about usage: what to sum, over which minutes, by what; and the rows answers are made of."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from ringfence_kit.errors import InvalidRequest, Violation

from ringfence_telemetry.usage import ZERO, Counts
from ringfence_telemetry.usage_levels import Stretch

ROWS_MAX = 10_000
"""Rows of one answer: those with the most tokens. A question that has more is better asked of a narrower window."""

HISTOGRAMS_MAX = 250_000
"""Histograms merged for one answer: some seconds of work."""

Group: TypeAlias = str | int
"""What a row is of: a label, or the minute it begins at."""


class UsageGroup(enum.Enum):
    """What to sum by; the values are the names of UsageKey's fields."""

    AGENT = "agent"
    SESSION = "session"
    MODEL = "model"
    OPERATION = "operation"
    TOOL = "tool"
    TEAM = "team"
    OUTCOME = "outcome"
    TIME = "minute"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """What to sum."""

    agent: str = ""
    """Only this agent; empty means all."""
    session: str = ""
    """Only this session; empty means all."""
    team: str = ""
    """Only this team; empty means all."""
    model: str = ""
    """Only this model; empty means all."""
    first_minute: int | None = None
    """From this minute on; None means from the beginning."""
    end_minute: int | None = None
    """Up to, and without, this minute; None means until now."""
    group_by: tuple[UsageGroup, ...] = ()
    """Each at most once; none sums everything."""
    step: int = 1
    """Minutes of one row, when grouped by time."""
    inclusive: bool = False
    """Count for an agent what those it called used, too."""
    percentiles: bool = False
    """Also say how long calls took."""
    histograms_max: int = HISTOGRAMS_MAX
    """Refuse to merge more for it."""

    @property
    def window(self) -> Stretch:
        """The minutes that are asked about."""
        return Stretch(self.first_minute, self.end_minute)

    @property
    def about_sessions(self) -> bool:
        """Whether sessions have to be told apart."""
        return bool(self.session) or UsageGroup.SESSION in self.group_by

    @property
    def about_agents_only(self) -> bool:
        """Whether what is kept by agent alone, by the hour and the day, can answer it."""
        grouped = set(self.group_by)
        return (
            not (self.session or self.team or self.model)
            and grouped <= {UsageGroup.AGENT, UsageGroup.TIME}
            and (UsageGroup.TIME not in grouped or self.step > 1)
        )


class Cost(NamedTuple):
    """What something cost in one currency."""

    currency: str
    nanos: int
    stated_nanos: int = 0
    """Of it, what senders stated."""


PERCENTS = (50, 95, 99)


class Percentiles(NamedTuple):
    """How long calls took at most, in microseconds."""

    p50: int = 0
    p95: int = 0
    p99: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotals:
    """One row of an answer. Trusted and untrusted usage never share a row."""

    groups: tuple[Group, ...] = ()
    """A value for each of the query's groups, in its order."""
    untrusted: bool = False
    counts: Counts = field(default=ZERO)
    """Without cost."""
    costs: tuple[Cost, ...] = ()
    """By currency; currencies are not added up."""
    percentiles: Percentiles = field(default=Percentiles())


class Summed(NamedTuple):
    """A part of a row: what is counted in one currency."""

    groups: tuple[Group, ...]
    untrusted: bool
    currency: str
    counts: Counts


def too_many_histograms(most: int) -> InvalidRequest:
    """Return the refusal of a question that would merge more than so many."""
    problem = f"would merge more than {most:,} histograms; ask about less time"
    return InvalidRequest(Violation("percentiles", problem))


def answer(parts: Iterable[Summed]) -> list[UsageTotals]:
    """Join the parts of each row; the rows with the most tokens first, ties by their groups' values."""
    found: dict[tuple[tuple[Group, ...], bool], list[Summed]] = {}
    for part in parts:
        if any(part.counts):  # not what was added and taken away again
            found.setdefault((part.groups, part.untrusted), []).append(part)
    rows = [_row(same) for same in found.values()]
    rows = [row for row in rows if row.counts.spans > 0]
    rows.sort(key=lambda row: (-(row.counts.input_tokens + row.counts.output_tokens), row.groups, row.untrusted))
    return rows[:ROWS_MAX]


def _row(parts: Sequence[Summed]) -> UsageTotals:
    costs: dict[str, list[Counts]] = {}
    for part in parts:
        if part.currency:
            costs.setdefault(part.currency, []).append(part.counts)
    counts = parts[0].counts if len(parts) == 1 else plus(*[part.counts for part in parts])
    return UsageTotals(
        groups=parts[0].groups,
        untrusted=parts[0].untrusted,
        counts=Counts._make((*counts[:-2], 0, 0)) if costs else counts,  # of which cost is the end
        costs=tuple(
            Cost(currency, sum(each.cost_nanos for each in same), sum(each.stated_cost_nanos for each in same))
            for currency, same in sorted(costs.items())
        ),
    )


def plus(*counts: Counts) -> Counts:
    """Return the sum of counts."""
    return Counts._make(map(sum, zip(*counts, strict=True)))
