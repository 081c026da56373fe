"""In what steps of time usage is kept, and which of them answer a question. Pure; times are minutes since the epoch.

The rules:

- usage by every label is kept by the minute, and by five minutes and by the hour when it is older; a minute is counted
  in exactly one row at a time, so folding rows together changes no total, and what comes late finds the row there is;
- usage by agent alone is kept by the hour, by the day and by four days besides, from the first span on, so that a long
  window is summed from few rows; both ways come to the same;
- where a window begins or ends in the middle of a step, the smaller side of it is read: what is in the window is added,
  or the whole step is, and what is not in the window taken away again;
- a row counts for a window when it begins in it. So a window is exact to the minute as far as minutes are kept, and to
  five minutes or an hour before that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

HOUR = 60
DAY = 24 * HOUR
FIVE = 5

FOLDS = (FIVE, HOUR)
"""What rows by the minute are folded into, in this order."""

FOUR_DAYS = 4 * DAY
"""The longest step: a row of it holds what 25,000 spans a second state at the most before it would run over 64 bits."""

AGENT_STEPS = (HOUR, DAY, FOUR_DAYS)

_PAGES: Mapping[int, int] = {HOUR: DAY, DAY: 8 * DAY, FOUR_DAYS: 32 * DAY}
"""Step → how much time lies together on the disk: by agent within it, so that a sum needs no sorting."""

TIME_ROWS_MAX = 400


class Stretch(NamedTuple):
    """Some minutes: from `first` on, before `end`; None means without an end on that side."""

    first: int | None
    end: int | None

    @property
    def empty(self) -> bool:
        """Whether no minute is in it."""
        return self.first is not None and self.end is not None and self.end <= self.first


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """How far usage has been folded, and forgotten: before these minutes."""

    five: int = 0
    hour: int = 0
    hours_forgotten: int = 0
    """Usage by agent and hour before it is no longer kept."""


class Piece(NamedTuple):
    """Rows that begin in a stretch of time, to be added up or taken away."""

    stretch: Stretch
    sign: int = 1
    """-1 where they are taken away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a question about agents is answered from; together exactly the window."""

    by_step: Sequence[tuple[int, Piece]] = ()
    """From the rows by agent: of which step, and which whole ones."""
    rest: Sequence[Piece] = ()
    """From the rows by every label."""


def row_of(minute: int, marks: Marks) -> int:
    """Return in which row a minute is counted."""
    if minute >= marks.five:
        return minute
    return floor(minute, HOUR if minute < marks.hour else FIVE)


def floor(minute: int, step: int) -> int:
    """Return the beginning of the step a minute lies in."""
    return minute - minute % step


def page_of(minute: int, step: int) -> int:
    """Return the number of the page that usage by agent and `step` of a minute lies on."""
    return minute // _PAGES[step]


def time_step(minutes: int | None) -> int:
    """Return the step by which a window of so many minutes is shown: the finest that gives at most 400 rows."""
    if minutes is None or minutes > TIME_ROWS_MAX * HOUR:
        return DAY
    return 1 if minutes <= TIME_ROWS_MAX else HOUR


def by_agent(window: Stretch, marks: Marks, *, coarsest: int = FOUR_DAYS) -> Plan:
    """Divide a window: whole steps, the longest first, whole ones of the next at its edges, and the rest."""
    found, left, rest = list[tuple[int, Piece]](), [Piece(window)], list[Piece]()
    for step in sorted(AGENT_STEPS, reverse=True):
        if step > coarsest:
            continue
        edges, left = left, []
        for edge, sign in edges:
            forgotten, kept = _cut(edge, _ceiling(marks.hours_forgotten, HOUR)) if step == HOUR else (_NOTHING, edge)
            whole, beside = _whole(kept, step, marks.hours_forgotten)
            found += [(step, Piece(stretch, sign)) for stretch in whole]
            left += [Piece(stretch, sign * side) for stretch, side in beside]
            rest += [] if forgotten.empty else [Piece(forgotten, sign)]
    return Plan(by_step=found, rest=[*rest, *left])


def by_caller(window: Stretch, marks: Marks, *, coarsest: int = FOUR_DAYS) -> Plan:
    """Divide a window of which nothing finer than hours is kept: the hours that begin in it, days where hours are not
    kept."""
    rounded = Stretch(*[None if at is None else _rounded(at, marks) for at in window])
    return by_agent(rounded, marks, coarsest=coarsest)


_NOTHING = Stretch(0, 0)


def _rounded(minute: int, marks: Marks) -> int:
    return _ceiling(minute, DAY if minute < marks.hours_forgotten else HOUR)


def _whole(stretch: Stretch, step: int, since: int) -> tuple[list[Stretch], list[Piece]]:
    """Return the whole steps nearest to a stretch, and by what they are less or more than it.

    They are more only where everything `since` a minute is kept: what is taken away has to be there.
    """
    if stretch.empty:
        return [], []
    first = None if stretch.first is None else _nearest(stretch.first, step)
    end = None if stretch.end is None else _nearest(stretch.end, step)
    if first is not None and first < since:
        first = _ceiling(stretch.first or 0, step)
    if end is not None and stretch.end is not None and stretch.end < since:
        end = floor(stretch.end, step)
    middle = Stretch(first, end)
    if middle.empty:
        return [], [Piece(stretch)]
    return [middle], [*_between(stretch.first, first), *_between(end, stretch.end)]


def _between(left: int | None, right: int | None) -> list[Piece]:
    """Return what is added between two minutes, or taken away when the first comes after the second."""
    if left is None or right is None or left == right:
        return []
    return [Piece(Stretch(left, right)) if left < right else Piece(Stretch(right, left), -1)]


def _nearest(minute: int, step: int) -> int:
    return floor(minute + step // 2, step)


def _cut(stretch: Stretch, at: int) -> tuple[Stretch, Stretch]:
    """Return what of a stretch lies before `at`, and from it on."""
    before = Stretch(stretch.first, at if stretch.end is None else min(at, stretch.end))
    after = Stretch(at if stretch.first is None else max(at, stretch.first), stretch.end)
    return before, after


def _ceiling(minute: int, step: int) -> int:
    return -(-minute // step) * step
