"""Adding up scores for all agents at once, and finding the best of them: arithmetic on bit planes.

A number for every agent is a tuple of sets: plane n holds the agents whose number has bit n (O'Neil and Quass 1997).
Adding two such numbers is a ripple-carry adder over sets, so a word costs some ten set operations whether ten agents or
all of them say it. Everything is whole numbers: ties are ties, on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from ringfence_registry.finding.bits import NONE, Bits, Planes


class Scores:
    """A score for every agent, 0 to begin with."""

    def __init__(self) -> None:
        self._planes: list[Bits] = []

    def add(self, planes: Planes, *, times: int) -> None:
        """Add `times` the number that `planes` hold."""
        shift = 0
        while times >> shift:
            if times >> shift & 1:
                self._add(planes, shift)
            shift += 1

    def of(self, slot: int) -> int:
        """Return the score of one agent."""
        return sum((plane >> slot & 1) << bit for bit, plane in enumerate(self._planes))

    def below(self, score: int, among: Bits) -> Bits:
        """Return those of `among` whose score is lower."""
        lower, same = NONE, among
        for bit in range(max(len(self._planes), score.bit_length()) - 1, -1, -1):
            plane = self._planes[bit] if bit < len(self._planes) else NONE
            if score >> bit & 1:
                lower |= same & ~plane
                same &= plane
            else:
                same &= ~plane
        return lower

    def exactly(self, score: int, among: Bits) -> Bits:
        """Return those of `among` that have this score."""
        same = among
        for bit in range(max(len(self._planes), score.bit_length())):
            plane = self._planes[bit] if bit < len(self._planes) else NONE
            same &= plane if score >> bit & 1 else ~plane
        return same

    def other_than(self, planes: Planes, among: Bits) -> Bits:
        """Return those of `among` whose score is another number than `planes` say."""
        found = NONE
        for mine, theirs in zip_longest(self._planes, planes, fillvalue=NONE):
            found |= mine ^ theirs
        return found & among

    def best(self, among: Bits, limit: int) -> "Best":
        """Return the `limit` best of `among`."""
        sure, tied, wanted = NONE, among, limit
        for plane in reversed(self._planes):
            better = tied & plane
            count = better.bit_count()
            if count > wanted:
                tied = better
            else:
                sure |= better
                wanted -= count
                tied &= ~plane
        return Best(sure=sure, tied=tied, wanted=wanted)

    def _add(self, planes: Sequence[Bits], shift: int) -> None:
        total, carry, at = self._planes, NONE, shift
        for plane in planes:
            while len(total) <= at:
                total.append(NONE)
            held = total[at]
            either = held ^ plane
            total[at] = either ^ carry
            carry = (held & plane) | (carry & either)
            at += 1
        while carry:
            if len(total) == at:
                total.append(NONE)
            held = total[at]
            total[at] = held ^ carry
            carry &= held
            at += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best so many of a set, up to the tie that the limit cuts through."""

    sure: Bits
    """These are among them."""
    tied: Bits
    """These have one score, the next below; `wanted` of them complete the best."""
    wanted: int
