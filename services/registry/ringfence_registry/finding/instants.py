"""Instants of agents, asked at once who has one in a range: arithmetic on bit planes (O'Neil and Quass 1997).

A range costs some hundred set operations whoever is in it. The planes are of one moment; whose instant is another since
is looked at by itself, until there are so many of them that the planes are made anew.
"""

import sys
from array import array
from collections.abc import Sequence

from ringfence_registry.finding.bits import NONE, Bits, everything, of_flags, of_slots, planes_of
from ringfence_registry.finding.filtering.conditions import Bounds
from ringfence_registry.finding.ranking import Scores

_CHANGED = 1_024


class InstantPlanes:
    """The instants in a column, as they stood at one moment, and who changed since."""

    def __init__(self, column: Sequence[int | None]) -> None:
        known = [instant for instant in column if instant is not None]
        # Counted from the first: a year in milliseconds takes 35 planes, and an instant 41.
        self._first, last = min(known, default=0), max(known, default=0)
        since = array("Q", [0 if instant is None else instant - self._first for instant in column])
        if sys.byteorder == "big":
            since.byteswap()
        in_bytes, used = since.tobytes(), ((last - self._first).bit_length() + 7) // 8
        self._since = Scores()
        self._since.add(
            tuple(plane for at in range(used) for plane in planes_of(in_bytes[at :: since.itemsize])), times=1
        )
        everybody = len(known) == len(column)
        self._having = everything(len(column)) if everybody else of_flags([instant is not None for instant in column])
        self._changed: set[int] = set()

    @property
    def outgrown(self) -> bool:
        """Whether so many changed since that the planes are better made anew."""
        return len(self._changed) > _CHANGED

    def change(self, slot: int) -> None:
        """Say that the agent in `slot` has another instant now, or none."""
        self._changed.add(slot)

    def between(self, bounds: Bounds, column: Sequence[int | None], among: Bits) -> Bits:
        """Return those of `among` whose instant in `column` is within `bounds`."""
        changed = of_slots(self._changed)
        found = self._having & among & ~changed
        if bounds.most is not None:
            found = self._since.below(bounds.most + 1 - self._first, found) if bounds.most >= self._first else NONE
        if bounds.least is not None and bounds.least > self._first:
            found &= ~self._since.below(bounds.least - self._first, found)
        return found | (among & of_slots([slot for slot in self._changed if bounds.hold(column[slot])]))
