"""Which agents say which words, and how strongly: what ranked search is computed from.

An agent's word has a strength from 1 to 15, worked out once, when the agent changes: BM25F with fixed field weights and
fixed typical lengths. Nothing in it depends on other agents, so a strength never goes stale, and the same agents have
the same strengths on every replica, whatever order they came in.

Strengths are kept as bit planes: plane n is the set of agents whose strength has bit n. Words of few agents are kept as
pairs, in the order of the slots, and spread into planes when they are asked for.
"""

import bisect
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ringfence_registry.finding.bits import NONE, Bits, of_slots
from ringfence_registry.finding.words import kin_of, words_of

STRENGTH_BITS = 4
STRONGEST = (1 << STRENGTH_BITS) - 1

Planes: TypeAlias = tuple[Bits, ...]
"""The bits of a number for every agent, the lowest first."""

Strengths: TypeAlias = Mapping[str, int]
"""The words of one agent."""

_FEW = 2_048
"""Pairs of as many agents take 8 KB; the planes of 100,000 agents 50 KB."""

_PARTS = 64
"""Parts of one: impacts are added up as whole numbers of them, so that the order of fields does not matter."""
_EVEN = 6 * _PARTS
"""The impact that has half of the greatest strength."""
_LEVELS = [1 + (STRONGEST - 1) * impact // (impact + _EVEN) for impact in range(64 * _PARTS)]
"""Impact → strength: 1 to 15 for any impact, finest where most impacts are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldWeight:
    """How much a word counts in a field, and how many words the field usually has."""

    weight: float
    typical_words: int

    def impact(self, times: int, length: int) -> int:
        """Return what a word said `times` times adds to an agent whose field has `length` words."""
        # Robertson and Zaragoza 2009, 3.6, with k1 = 1 and b = 1/2: the first mention counts most, long fields less.
        slack = 0.5 + 0.5 * length / self.typical_words
        return max(1, int(_PARTS * self.weight * times / (times + slack)))


def strengths_of(texts: Iterable[tuple[FieldWeight, Iterable[str]]]) -> dict[str, int]:
    """Return the strength of every word of an agent, whose texts are given by field."""
    total: dict[str, int] = {}
    known = total.get
    for field, parts in texts:
        words = [word for part in parts for word in words_of(part)]
        length = len(words)
        once = set(words)
        said_once = field.impact(1, length)
        for word in once:
            total[word] = known(word, 0) + said_once
        if len(once) < length:
            for word, times in Counter(words).items():
                if times > 1:
                    total[word] += field.impact(times, length) - said_once
    strongest = len(_LEVELS) - 1
    return {word: _LEVELS[min(impact, strongest)] for word, impact in total.items()}


@dataclass(slots=True)
class _Many:
    planes: list[Bits]


_Said: TypeAlias = "array[int] | _Many"
"""Pairs are one number each: the slot, then the strength."""


class WordIndex:
    """Words, and the strength with which each agent says them."""

    def __init__(self) -> None:
        self._said: dict[str, _Said] = {}
        self._kin: dict[str, set[str]] = {}

    def change(self, slot: int, *, before: Strengths, after: Strengths) -> None:
        """Say how the agent in `slot` changed its words."""
        for word, level in before.items():
            if after.get(word) != level:
                self._forget(word, slot, level)
        for word, level in after.items():
            if before.get(word) != level:
                self._add(word, slot, level)

    def load(self, slot: int, strengths: Strengths) -> None:
        """Take the words of an agent that follows all others, in the first filling, which `packed` ends."""
        said, first = self._said, slot << STRENGTH_BITS
        for word, level in strengths.items():
            known = said.get(word)
            if known is None:
                said[word] = array("I", (first | level,))
            elif isinstance(known, array):
                known.append(first | level)
            else:
                self._add(word, slot, level)

    def packed(self) -> None:
        """End the first filling."""
        for word, said in self._said.items():
            self._kin.setdefault(kin_of(word), set()).add(word)
            if isinstance(said, array) and len(said) > _FEW:
                self._said[word] = _Many(_spread(said))

    def words(self) -> Iterable[str]:
        """Return every word that somebody says."""
        return self._said

    def kin(self, word: str) -> Sequence[str]:
        """Return the words that a search for `word` finds, in order."""
        return sorted(self._kin.get(kin_of(word), ()))

    def planes(self, word: str) -> Planes:
        """Return the strengths with which `word` is said."""
        match self._said.get(word):
            case None:
                return (NONE,) * STRENGTH_BITS
            case _Many(planes):
                return tuple(planes)
            case few:
                return tuple(_spread(few))

    def saying(self, words: Iterable[str]) -> Bits:
        """Return who says at least one of `words`."""
        found: Bits = NONE
        slots: list[int] = []
        for word in words:
            match self._said.get(word):
                case None:
                    pass
                case _Many(planes):
                    for plane in planes:
                        found |= plane
                case few:
                    slots.extend(pair >> STRENGTH_BITS for pair in few)
        return found | of_slots(slots)

    def _add(self, word: str, slot: int, level: int) -> None:
        pair = slot << STRENGTH_BITS | level
        match self._said.get(word):
            case None:
                self._said[word] = array("I", (pair,))
                self._kin.setdefault(kin_of(word), set()).add(word)
            case _Many(planes):
                _flip(planes, slot, level)
            case few:
                few.insert(bisect.bisect_left(few, pair), pair)
                if len(few) > _FEW:
                    self._said[word] = _Many(_spread(few))

    def _forget(self, word: str, slot: int, level: int) -> None:
        match self._said[word]:
            case _Many(planes):
                _flip(planes, slot, level)
                gone = not any(planes)
            case few:
                del few[bisect.bisect_left(few, slot << STRENGTH_BITS | level)]
                gone = not few
        if gone:
            del self._said[word]
            kin = self._kin[kin_of(word)]
            kin.discard(word)
            if not kin:
                del self._kin[kin_of(word)]


def _flip(planes: list[Bits], slot: int, level: int) -> None:
    here = 1 << slot
    for bit in range(STRENGTH_BITS):
        if level >> bit & 1:
            planes[bit] ^= here


_PLANE_OF = [bytes(0x31 if level >> bit & 1 else 0x30 for level in range(256)) for bit in range(STRENGTH_BITS)]


def _spread(pairs: "array[int]") -> list[Bits]:
    levels = bytearray((pairs[-1] >> STRENGTH_BITS) + 1)
    for pair in pairs:
        levels[pair >> STRENGTH_BITS] = pair & STRONGEST
    levels.reverse()
    return [int(levels.translate(_PLANE_OF[bit]), 2) for bit in range(STRENGTH_BITS)]
