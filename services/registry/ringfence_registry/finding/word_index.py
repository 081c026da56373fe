"""Which agents say which words, and where: what ranked search is computed from.

An agent's word has a strength: the sum of what the places are worth in which the agent says it (8 in a name, 4 in a
tag, 2 in a purpose, 1 in an example …), each place once. A strength depends on nothing but the agent, so it never goes
stale, and the same agents have the same strengths on every replica, whatever order they came in.

Places are worth powers of two, so the bits of a strength are the places. Strengths are kept as bit planes: plane n is
the set of agents whose strength has bit n. Words of few agents are kept as pairs, in the order of the slots, and spread
into planes when they are asked for. Once the first filling is over nothing is changed in place but that pairs are put
behind others (`held`).
"""

import bisect
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from ringfence_registry.finding.bits import NONE, Bits, Planes, of_slots, planes_of
from ringfence_registry.finding.known_texts import KnownTexts
from ringfence_registry.finding.words import kin_of, words_of

STRENGTH_BITS = 4
STRONGEST = (1 << STRENGTH_BITS) - 1

Strengths: TypeAlias = Mapping[str, int]
"""The words of one agent."""

_FEW = 2_048
"""Pairs of as many agents take 8 KB; the planes of 100,000 agents 50 KB."""


def strengths_of(places: Iterable[tuple[int, str]]) -> dict[str, int]:
    """Return the strength of every word of an agent, whose text is given by place, each with its worth."""
    total: dict[str, int] = {}
    for worth, text in places:
        words = words_of(text)
        if total:
            known = total.get
            total.update([(word, known(word, 0) | worth) for word in words])
        else:
            total = dict.fromkeys(words, worth)
    return total


Said: TypeAlias = "array[int] | Planes"
"""Who says a word: pairs, one number each (the slot, then the strength), or planes."""


HeldWords: TypeAlias = "dict[str, tuple[Said, int]]"
"""Who said which words at a moment: so many of the pairs, for more may have been put behind them since."""


class _Appending(dict[str, Callable[[int], None]]):
    """How a pair is added to a word, in the first filling: a hundred words an agent make this the innermost loop."""

    def __init__(self, said: "dict[str, Said]") -> None:
        super().__init__()
        self._said = said

    def __missing__(self, word: str) -> Callable[[int], None]:
        known = self._said.get(word)
        pairs = known if isinstance(known, array) else array("I")
        self._said[word] = pairs
        self[word] = pairs.append
        return pairs.append


class WordIndex:
    """Words, and the strength with which each agent says them."""

    def __init__(self) -> None:
        self._said: dict[str, Said] = {}
        self._kin: dict[str, set[str]] = {}
        self._load = _Appending(self._said)
        self._texts: KnownTexts[str] | None = None

    def change(self, slot: int, *, before: Strengths, after: Strengths) -> None:
        """Say how the agent in `slot` changed its words."""
        for word, level in before.items():
            if after.get(word) != level:
                self._forget(word, slot, level)
        said, first = self._said, slot << STRENGTH_BITS
        for word, level in after.items():
            if before.get(word) != level:
                pair, known = first | level, said.get(word)
                # Two hundred words an agent: what is done for nearly all of them is done here.
                if isinstance(known, array) and known[-1] < pair and len(known) < _FEW:
                    known.append(pair)
                else:
                    self._add(word, pair)

    def load(self, slot: int, strengths: Strengths) -> None:
        """Take the words of an agent that follows all others, in the first filling, which `packed` ends."""
        load, first = self._load, slot << STRENGTH_BITS
        for word, level in strengths.items():
            load[word](first | level)

    def load_many(self, first: int, places: Sequence[Sequence[tuple[int, str]]]) -> None:
        """As `load` of `strengths_of` for each of the agents of the slots from `first` on, in half the time."""
        from ringfence_registry.finding.word_pairs import pairs_by_word  # noqa: PLC0415 - numpy, which small ones spare

        for word, pairs in pairs_by_word(first, places, STRENGTH_BITS):
            said = self._said.get(word)
            if isinstance(said, array):
                said.frombytes(pairs)
            else:
                self._said[word] = array("I", pairs)

    def packed(self) -> None:
        """End the first filling."""
        self._load.clear()
        large = list[str]()
        for word, said in self._said.items():
            self._kin.setdefault(kin_of(word), set()).add(word)
            if isinstance(said, array) and len(said) > _FEW:
                large.append(word)
        if large:
            self._spread(large)

    def _spread(self, words: Sequence[str]) -> None:
        """Keep as planes what is kept as pairs."""
        from ringfence_registry.finding.word_pairs import planes_of_pairs  # noqa: PLC0415 - numpy, as above

        for word in words:
            pairs = self._said[word]
            if isinstance(pairs, array):
                self._said[word] = planes_of_pairs(pairs, STRENGTH_BITS)

    def held(self) -> "HeldWords":
        """Return everything as it stands, for `restore` of another time."""
        return {word: (said, len(said)) for word, said in self._said.items()}

    def restore(self, held: "HeldWords") -> None:
        """Take what another one's `held` returned, and nobody has; `packed` ends it as it ends a first filling."""
        self._said = {word: said[:size] for word, (said, size) in held.items()}
        self._load = _Appending(self._said)
        for word in held:
            self._kin.setdefault(kin_of(word), set()).add(word)

    def words(self) -> Iterable[str]:
        """Return every word that somebody says."""
        return self._said

    def containing(self, part: str) -> list[str]:
        """Return every word that contains `part`."""
        if self._texts is None or self._texts.outgrown:
            self._texts = KnownTexts(self._said)
        return [word for word in self._texts.containing(part) if part in word]

    def kin(self, word: str) -> Sequence[str]:
        """Return the words that a search for `word` finds, in order."""
        return sorted(self._kin.get(kin_of(word), ()))

    def planes(self, word: str) -> Planes:
        """Return the strengths with which `word` is said."""
        match self._said.get(word):
            case None:
                return (NONE,) * STRENGTH_BITS
            case array() as few:
                return _spread(few)
            case planes:
                return planes

    def saying(self, words: Iterable[str]) -> Bits:
        """Return who says at least one of `words`."""
        found: Bits = NONE
        slots: list[int] = []
        for word in words:
            match self._said.get(word):
                case None:
                    pass
                case array() as few:
                    slots += [pair >> STRENGTH_BITS for pair in few]
                case planes:
                    for plane in planes:
                        found |= plane
        return found | of_slots(slots)

    def _add(self, word: str, pair: int) -> None:
        match self._said.get(word):
            case None:
                self._said[word] = array("I", (pair,))
                self._kin.setdefault(kin_of(word), set()).add(word)
                if self._texts is not None:
                    self._texts.add(word)
            case array() as few:
                more = few[:]
                more.insert(bisect.bisect_left(few, pair), pair)
                self._said[word] = more if len(more) <= _FEW else _spread(more)
            case planes:
                self._said[word] = _flipped(planes, pair >> STRENGTH_BITS, pair & STRONGEST)

    def _forget(self, word: str, slot: int, level: int) -> None:
        match self._said[word]:
            case array() as few:
                fewer = few[:]
                del fewer[bisect.bisect_left(few, slot << STRENGTH_BITS | level)]
                self._said[word], gone = fewer, not fewer
            case planes:
                left = _flipped(planes, slot, level)
                self._said[word], gone = left, not any(left)
        if gone:
            del self._said[word]
            kin = self._kin[kin_of(word)]
            kin.discard(word)
            if not kin:
                del self._kin[kin_of(word)]


def _flipped(planes: Planes, slot: int, level: int) -> Planes:
    here = 1 << slot
    return tuple(plane ^ here if level >> bit & 1 else plane for bit, plane in enumerate(planes))


def _spread(pairs: "array[int]") -> Planes:
    levels = bytearray((pairs[-1] >> STRENGTH_BITS) + 1)
    for pair in pairs:
        levels[pair >> STRENGTH_BITS] = pair & STRONGEST
    return planes_of(levels)[:STRENGTH_BITS]
