"""What a combination of things said amounts to: which intent, and how sure one may be of it.

A reading is a line of `lexicons/readings.yaml`: classes of words that must stand together, the intent they speak of,
and points. Circumstances (secrecy, scope, a guard) add or take points wherever they stand nearby. Points, not chances:
they rank, and the thresholds below turn them into a severity. Authority never takes points, because whoever means ill
claims it first.
"""

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ringfence_pdp.filters.finding import Severity

CATEGORIES = (
    "payload",
    "injection",
    "exfiltration",
    "destruction",
    "credential",
    "privilege",
    "evasion",
    "fraud",
    "malware",
    "sabotage",
)
"""The intents that are told apart."""
HIGH_POINTS = 9
MEDIUM_POINTS = 6
LOW_POINTS = 4
POINTS_MAX = 16
ANYTHING = -1
"""Every bit: what is always said."""


class Reading(NamedTuple):
    """Up to three things that must be said together, and what that means. Any bit of each will do."""

    first: int
    second: int
    third: int
    category: str
    points: int


class Circumstance(NamedTuple):
    """Something said nearby that makes readings worse, or better."""

    bits: int
    points: int
    categories: frozenset[str]
    """Empty: of every intent."""


class Readings(NamedTuple):
    """All of them, compiled."""

    by_bit: Mapping[int, tuple[Reading, ...]]
    """Every reading under each bit of the rarest thing it needs."""
    circumstances: tuple[Circumstance, ...]
    anchors: int
    """The bits of `by_bit`: where none of them is said nothing is read."""

    def points(self, said: int, nearby: int) -> dict[str, int]:
        """Return the points of every intent that is read from what is said together, given what is said nearby."""
        heaviest: dict[str, int] = {}
        left = said & self.anchors
        while left:
            bit = left & -left
            left ^= bit
            for first, second, third, category, points in self.by_bit[bit]:
                if said & first and said & second and said & third and points > heaviest.get(category, 0):
                    heaviest[category] = points
        around = said | nearby
        return {category: self._adjusted(category, points, around) for category, points in heaviest.items()}

    def _adjusted(self, category: str, points: int, around: int) -> int:
        for circumstance in self.circumstances:
            if around & circumstance.bits and (not circumstance.categories or category in circumstance.categories):
                points += circumstance.points
        return max(0, min(points, POINTS_MAX))


def compiled(
    readings: Sequence[Mapping[str, str]],
    circumstances: Sequence[Mapping[str, str]],
    bit_of: Mapping[str, int],
    verbs: int,
) -> Readings:
    """Compile readings written as data. What names a class or an intent nobody knows is a KeyError or ValueError."""
    by_bit: dict[int, list[Reading]] = {}
    for written in readings:
        needs = [_bits(part, bit_of) for part in written["when"].split()]
        first, second, third = (*needs, *([ANYTHING] * (3 - len(needs))))
        category = CATEGORIES[CATEGORIES.index(written["read"])]
        # What is done is said in every sentence; what it is done to, or where it goes, hardly ever.
        rarest = min(needs, key=lambda need: (bool(need & verbs), need.bit_count()))
        for bit in bit_of.values():
            if bit & rarest:
                by_bit.setdefault(bit, []).append(Reading(first, second, third, category, int(written["points"])))
    return Readings(
        {bit: tuple(found) for bit, found in by_bit.items()},
        tuple(
            Circumstance(
                _bits(written["said"], bit_of), int(written["points"]), frozenset(written.get("of", "").split())
            )
            for written in circumstances
        ),
        functools.reduce(operator.or_, by_bit),
    )


def severity_of(points: int) -> Severity | None:
    """Return how bad so many points are; None below what is worth a note."""
    if points >= HIGH_POINTS:
        return Severity.HIGH
    if points >= MEDIUM_POINTS:
        return Severity.MEDIUM
    return Severity.LOW if points >= LOW_POINTS else None


def _bits(part: str, bit_of: Mapping[str, int]) -> int:
    bits = 0
    for name in part.split("|"):
        bits |= bit_of[name]
    return bits
