"""What was counted for one objective, in slots of a minute, five minutes and an hour.

Pure. The rules:

- each event stands in the slot of its minute at every level, so a correction takes it out of all of them again;
- a window is read from the finest level that reaches back far enough; on the coarser two it begins at the edge of the
  slot it begins in, and so may be longer by less than one slot, never shorter; it ends with its minute to the minute;
- what lies before the oldest slot of a level is forgotten there, and nothing can be added to it any more;
- bad events are counted by the one to blame, by the hour, over the objective's whole time.
"""

from array import array
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import NamedTuple

from ringfence_kit.clock import HOUR, MINUTE, Millis

from ringfence_telemetry.slo.objective import WINDOW_MOST

MINUTES_SLOTS = 361
FIVES_SLOTS = 865
BACK = 60
"""Minutes by which a window may end before the newest: long enough to see whether an order still holds."""


class Level(Enum):
    """How long a slot is, in minutes."""

    MINUTE = 1
    FIVE = 5
    HOUR = 60


class Tally(NamedTuple):
    """Events."""

    good: int = 0
    bad: int = 0
    errors: int = 0
    """Of the bad ones, those that failed; the others were late or failed their evaluation."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.good + self.bad


class Blamed(NamedTuple):
    """Bad events of one agent."""

    bad: int = 0
    errors: int = 0
    witnessed: int = 0
    """Of the bad ones, those that somebody else than the agent saw go wrong."""

    def plus(self, more: "Blamed") -> "Blamed":
        """Return both together."""
        return Blamed(self.bad + more.bad, self.errors + more.errors, self.witnessed + more.witnessed)


class Change(NamedTuple):
    """Events to add, or to take back: of one minute, and one agent to blame for those that are bad."""

    minute: int
    agent: str = ""
    """Empty for good events."""
    good: int = 0
    bad: int = 0
    errors: int = 0
    witnessed: int = 0

    def undone(self) -> "Change":
        """Return what takes it back."""
        return Change(self.minute, self.agent, -self.good, -self.bad, -self.errors, -self.witnessed)


def level_of(window: Millis) -> Level:
    """Return the level that a window is read from."""
    minutes = window // MINUTE
    if minutes < MINUTES_SLOTS:
        return Level.MINUTE
    return Level.FIVE if minutes // Level.FIVE.value < FIVES_SLOTS else Level.HOUR


def slots_of(level: Level) -> int:
    """Return how many slots of a level are kept: enough for the longest time an objective may have."""
    match level:
        case Level.MINUTE:
            return MINUTES_SLOTS + BACK
        case Level.FIVE:
            return FIVES_SLOTS + BACK // Level.FIVE.value
        case Level.HOUR:
            return WINDOW_MOST // HOUR + 3


def reached(level: Level, end_minute: int) -> range:
    """Return the slots of a level that windows ending at a minute, or up to `BACK` before it, are read from.

    Those that are over by then: what came in the rest of the last one is not of a window that ended before.
    """
    now = end_minute // level.value
    return range(max(0, now - slots_of(level)), now)


def slots_of_change(change: Change) -> Iterator[tuple[Level, int]]:
    """Yield the slots an event stands in."""
    for level in Level:
        yield level, change.minute // level.value


def first_slot(level: Level, window: Millis, end_minute: int) -> int:
    """Return the number of the first slot of a window that ends before `end_minute`."""
    return (end_minute - window // MINUTE) // level.value


class Windows:
    """The counts of one objective."""

    __slots__ = ("_blamed", "_rings")

    def __init__(self) -> None:
        self._rings = {level: _Ring(slots_of(level)) for level in Level}
        self._blamed: dict[Level, dict[int, dict[str, Blamed]]] = {Level.MINUTE: {}, Level.HOUR: {}}
        """By slot."""

    def add(self, change: Change) -> None:
        """Count a change at every level that still reaches back to it."""
        for level, slot in slots_of_change(change):
            self.add_to(level, slot, change)

    def add_to(self, level: Level, slot: int, change: Change) -> None:
        """Count a change in one slot of one level: as `add` does for each, or as it was kept."""
        ring, slots = self._rings[level], self._blamed.get(level)
        if not ring.add(slot, change.good, change.bad, change.errors) or slots is None or not change.agent:
            return
        agents = slots.setdefault(slot, {})
        more = Blamed(change.bad, change.errors, change.witnessed)
        agents[change.agent] = agents.get(change.agent, Blamed()).plus(more)
        for old in [each for each in slots if each < ring.oldest]:
            del slots[old]

    def tally(self, window: Millis, end_minute: int) -> Tally:
        """Return what was counted in the window that ends with the minute before `end_minute`."""
        level = level_of(window)
        return self._tally(level, window, end_minute)

    def whole(self, period: Millis, end_minute: int) -> Tally:
        """Return what was counted in the objective's own time: by the hour, as its blame is."""
        return self._tally(Level.HOUR, period, end_minute)

    def blame(self, period: Millis, end_minute: int) -> Mapping[str, Blamed]:
        """Return the bad events of `whole` by the one to blame; they add up to its bad ones."""
        sums: dict[str, Blamed] = {}
        for level, first, last in _pieces(Level.HOUR, period, end_minute):
            slots = self._blamed[level]
            asked = range(first, last + 1)
            # Whichever are fewer: the slots of the window, or those in which anybody was to blame.
            for slot in asked if len(asked) < len(slots) else [each for each in slots if each in asked]:
                for agent, more in slots.get(slot, {}).items():
                    sums[agent] = sums.get(agent, Blamed()).plus(more)
        return {agent: blamed for agent, blamed in sums.items() if blamed.bad}

    def _tally(self, level: Level, window: Millis, end_minute: int) -> Tally:
        pieces = [self._rings[each].sum(first, last) for each, first, last in _pieces(level, window, end_minute)]
        whole, rest = pieces
        return Tally(whole.good + rest.good, whole.bad + rest.bad, whole.errors + rest.errors)


def _pieces(level: Level, window: Millis, end_minute: int) -> tuple[tuple[Level, int, int], ...]:
    """Return the slots of a window: whole ones of its level, then the minutes of the one that is not over."""
    first, now = first_slot(level, window, end_minute), end_minute // level.value
    return (level, first, now - 1), (Level.MINUTE, now * level.value, end_minute - 1)


class _Ring:
    """Counts of the newest slots, in place of those that fell out."""

    __slots__ = ("_bad", "_errors", "_good", "_newest", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._newest = -1
        self._good, self._bad, self._errors = (array("q", bytes(8 * size)) for _ in range(3))

    @property
    def oldest(self) -> int:
        """The number of the oldest slot that is kept."""
        return self._newest - self._size + 1

    def add(self, slot: int, good: int, bad: int, errors: int) -> bool:
        """Count; say whether the slot is still kept."""
        if slot > self._newest:
            self._advance(slot)
        elif slot < self.oldest:
            return False
        place = slot % self._size
        self._good[place] += good
        self._bad[place] += bad
        self._errors[place] += errors
        return True

    def sum(self, first: int, last: int) -> Tally:
        """Return the sum over slots `first` to `last`."""
        parts = list(self._parts(max(first, self.oldest), min(last, self._newest)))
        good, bad, errors = (sum(sum(ring[part]) for part in parts) for ring in (self._good, self._bad, self._errors))
        return Tally(good, bad, errors)

    def _advance(self, slot: int) -> None:
        gone = self._parts(max(self._newest + 1, slot - self._size + 1), slot)
        for part in gone:
            for ring in (self._good, self._bad, self._errors):
                ring[part] = array("q", bytes(8 * (part.stop - part.start)))
        self._newest = slot

    def _parts(self, first: int, last: int) -> Iterator[slice]:
        """Return where slots `first` to `last`, at most all, lie: in one part or two."""
        if first > last:
            return
        start, end = first % self._size, last % self._size + 1
        if start < end:
            yield slice(start, end)
        else:
            yield slice(start, self._size)
            yield slice(0, end)
