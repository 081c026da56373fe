"""What a combination of things said amounts to: which intent, and how sure one may be of it.

A reading is a line of `lexicons/readings.yaml`: classes of words that must stand together, the intent they speak of,
and points. Circumstances (secrecy, scope, a guard) add or take points wherever they stand nearby. Points, not chances:
they rank, and the thresholds below turn them into a severity. Authority never takes points, because whoever means ill
claims it first.
"""

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


class Reading(NamedTuple):
    """Classes that must stand together, and what that means."""

    category: str
    needs: tuple[int, ...]
    """One bit set for each thing needed; any of its bits will do."""
    points: int


class Circumstance(NamedTuple):
    """Something said nearby that makes readings worse, or better."""

    bits: int
    points: int
    categories: frozenset[str]
    """Empty: of every intent."""


class Readings(NamedTuple):
    """All of them, compiled."""

    by_category: tuple[tuple[str, int, tuple[Reading, ...]], ...]
    """Every intent, the bits of which at least one is in each of its readings, and these, the heaviest first."""
    circumstances: tuple[Circumstance, ...]
    anchors: int
    """Bits of which at least one is in every reading: a sentence without any is not looked at again."""

    def points(self, said: int, nearby: int) -> list[tuple[str, int]]:
        """Return the points of every intent that is read from what is said together, given what is said nearby."""
        found = []
        for category, anchors, readings in self.by_category:
            if not said & anchors:
                continue
            for reading in readings:
                for bits in reading.needs:
                    if not said & bits:
                        break
                else:
                    found.append((category, self._adjusted(category, reading.points, said | nearby)))
                    break
        return found

    def _adjusted(self, category: str, points: int, around: int) -> int:
        for circumstance in self.circumstances:
            if around & circumstance.bits and (not circumstance.categories or category in circumstance.categories):
                points += circumstance.points
        return max(0, min(points, POINTS_MAX))


def compiled(
    readings: Sequence[Mapping[str, object]], circumstances: Sequence[Mapping[str, object]], bit_of: Mapping[str, int]
) -> Readings:
    """Compile readings written as data. What names a class or an intent nobody knows is a KeyError or ValueError."""
    by_category: dict[str, list[Reading]] = {category: [] for category in CATEGORIES}
    for written in readings:
        needs = tuple(_bits(part, bit_of) for part in str(written["when"]).split())
        by_category[str(written["read"])].append(Reading(str(written["read"]), needs, int(str(written["points"]))))
    ordered = tuple(
        (category, _anchors(found), tuple(sorted(found, key=lambda reading: -reading.points)))
        for category, found in by_category.items()
    )
    found_circumstances = tuple(
        Circumstance(
            _bits(str(written["said"]), bit_of),
            int(str(written["points"])),
            frozenset(str(written.get("of", "")).split()),
        )
        for written in circumstances
    )
    return Readings(
        ordered, found_circumstances, _anchors([reading for found in by_category.values() for reading in found])
    )


def severity_of(points: int) -> Severity | None:
    """Return how bad so many points are; None below what is worth a note."""
    if points >= HIGH_POINTS:
        return Severity.HIGH
    if points >= MEDIUM_POINTS:
        return Severity.MEDIUM
    return Severity.LOW if points >= LOW_POINTS else None


def _anchors(readings: Sequence[Reading]) -> int:
    anchors = 0
    for reading in readings:
        anchors |= reading.needs[0]
    return anchors


def _bits(part: str, bit_of: Mapping[str, int]) -> int:
    bits = 0
    for name in part.split("|"):
        bits |= bit_of[name]
    return bits
