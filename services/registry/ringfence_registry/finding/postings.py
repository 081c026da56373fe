"""Which agents have a value: the inverted index of one field.

A value of one agent costs one integer, of a few an array, of many a bitmap, so that fields in which every agent differs
(`uid`) and fields with four values (`risk_tier`) are both small.

What is filed under a value is never changed in place once the first filling is over, so a copy of the dictionary is a
copy of everything as it stood (`held`), and costs next to nothing.
"""

import bisect
import heapq
from array import array
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from ringfence_registry.finding.bits import NONE, Bits, flags_of, of_slots
from ringfence_registry.finding.known_texts import KnownTexts

V = TypeVar("V", bound=Hashable)

FEW = 1_024
"""As many slots take 4 KB as an array; beyond, a bitmap of 100,000 agents is worth its 12.5 KB."""


_FEW_VALUES = 1_024
"""As many are asked one by one; more are searched together, where a part of what is wanted is known, and counted
together."""


@dataclass(frozen=True, slots=True)
class Many:
    """Many slots, and how many."""

    bits: Bits
    size: int


Posting: TypeAlias = "int | array[int] | Many"


class Postings(Generic[V]):
    """Values, and the slots of the agents that have each."""

    def __init__(self, held: "dict[V, Posting] | None" = None) -> None:
        """`held` is what another one's `held` returned, and is given away."""
        self._postings: dict[V, Posting] = {} if held is None else held
        self._texts: KnownTexts[V] | None = None
        """The values, when they are texts and somebody asked what they contain."""

    def __len__(self) -> int:
        return len(self._postings)

    def __iter__(self) -> Iterator[V]:
        return iter(self._postings)

    def add(self, value: V, slot: int) -> None:
        """Say that the agent in `slot` has `value`. It did not have it before."""
        match self._postings.get(value):
            case None:
                self._postings[value] = slot
                if self._texts is not None:
                    self._texts.add(value)
            case int(other):
                self._postings[value] = array("I", (other, slot))
            case Many(bits, size):
                self._postings[value] = Many(bits | 1 << slot, size + 1)
            case few:
                more = few + array("I", (slot,))
                self._postings[value] = more if len(more) <= FEW else Many(of_slots(more), len(more))

    def load(self, values: Iterable[tuple[V, int]]) -> None:
        """As `add`, for many at once in the first filling: what becomes large is packed once, by `packed`."""
        having = defaultdict[V, list[int]](list)
        for value, slot in values:
            having[value].append(slot)
        self.load_slots(having)

    def load_slots(self, having: Mapping[V, list[int]]) -> None:
        """As `load`, of who has each value: a large field is gone through once, not once an agent."""
        for value, slots in having.items():
            match self._postings.get(value):
                case None:
                    self._postings[value] = slots[0] if len(slots) == 1 else array("I", slots)
                case int(other):
                    self._postings[value] = array("I", (other, *slots))
                case Many(bits, size):
                    self._postings[value] = Many(bits | of_slots(slots), size + len(slots))
                case few:
                    few.extend(slots)

    def packed(self) -> None:
        """End the first filling."""
        if len(self._postings) > _FEW_VALUES:
            # Or the first to count them would wait for it.
            _counting()
        for value, posting in self._postings.items():
            if isinstance(posting, array) and len(posting) > FEW:
                self._postings[value] = Many(of_slots(posting), len(posting))

    def discard(self, value: V, slot: int) -> None:
        """Say that the agent in `slot` no longer has `value`. It had it before."""
        match self._postings[value]:
            case Many(bits, size) if size > 1:
                self._postings[value] = Many(bits ^ 1 << slot, size - 1)
            case array() as few if len(few) > 1:
                fewer = few[:]
                fewer.remove(slot)
                self._postings[value] = fewer
            case _:
                del self._postings[value]

    def held(self) -> "dict[V, Posting]":
        """Return everything as it stands, for `Postings(…)` of another time."""
        return dict(self._postings)

    def of(self, value: V) -> Bits:
        """Return who has `value`."""
        return _bits(self._postings.get(value))

    def commonest(self, among: Bits, most: int, key: Callable[[V], str], *, slots: int) -> list[tuple[V, int]]:
        """Return the `most` values that most of `among` have, with how many do; ties by `key`.

        Nobody has a slot beyond the first `slots`.
        """
        if len(self._postings) <= _FEW_VALUES:
            return self._commonest_of_few(among, most, key, slots=slots)
        values, counts = self._counted_together(among, slots)
        least = max(1, min(heapq.nlargest(most, counts), default=1))
        counted = zip(values, counts, strict=True)
        ranked = sorted((-count, key(value), value) for value, count in counted if count >= least)
        return [(value, -count) for count, _, value in ranked[:most]]

    def _commonest_of_few(self, among: Bits, most: int, key: Callable[[V], str], *, slots: int) -> list[tuple[V, int]]:
        """Look at the commonest of all first, until no other can be among the first any more."""
        flags = flags_of(among, slots)
        here, kept = flags.__getitem__, list[tuple[int, str, V]]()
        sizes = [(_size(each), value) for value, each in self._postings.items()]
        for size, value in sorted(sizes, key=_by_size):
            if len(kept) == most and size < -kept[-1][0]:
                break
            match self._postings[value]:
                case int(slot):
                    count = flags[slot]
                case Many(bits):
                    count = (bits & among).bit_count()
                case few:
                    count = sum(map(here, few))
            if count:
                bisect.insort(kept, (-count, key(value), value))
                del kept[most:]
        return [(value, -count) for count, _, value in kept]

    def _counted_together(self, among: Bits, slots: int) -> tuple[list[V], list[int]]:
        """Return the values, and how many of `among` have each."""
        flags = flags_of(among, slots)
        values, counts, of_few = list[V](), list[int](), list[V]()
        few: list[array[int]] = []
        for value, posting in self._postings.items():
            if isinstance(posting, array):
                of_few.append(value)
                few.append(posting)
            else:
                values.append(value)
                counts.append(flags[posting] if isinstance(posting, int) else (posting.bits & among).bit_count())
        return values + of_few, counts + _counting()(few, flags)

    def all_of(self, values: Iterable[V]) -> Bits:
        """Return who has at least one of `values`."""
        found: Bits = NONE
        slots: list[int] = []
        for value in values:
            match self._postings.get(value):
                case None:
                    pass
                case int(slot):
                    slots.append(slot)
                case Many(bits):
                    found |= bits
                case few:
                    slots.extend(few)
        return found | of_slots(slots)

    def where(self, test: Callable[[V], bool], *, within: str = "") -> Bits:
        """Return who has at least one value that passes `test`; those that pass contain the case-folded `within`."""
        if not within or len(self._postings) <= _FEW_VALUES:
            return self.all_of([value for value in self._postings if test(value)])
        if self._texts is None or self._texts.outgrown:
            self._texts = KnownTexts(self._postings)
        return self.all_of([value for value in self._texts.containing(within) if test(value)])

    def having(self) -> Bits:
        """Return who has any value at all."""
        return self.all_of(self._postings)


def _counting() -> "Callable[[Sequence[array[int]], bytes], list[int]]":
    from ringfence_registry.finding.tallies import counts_in  # noqa: PLC0415 - numpy, which small registries do without

    return counts_in


def _size(posting: Posting) -> int:
    if isinstance(posting, int):
        return 1
    return posting.size if isinstance(posting, Many) else len(posting)


def _by_size(pair: tuple[int, object]) -> int:
    return -pair[0]


def _bits(posting: "Posting | None") -> Bits:
    match posting:
        case None:
            return NONE
        case int(slot):
            return 1 << slot
        case Many(bits):
            return bits
        case few:
            return of_slots(few)
