"""The words of many agents at once, as pairs by word: what `WordIndex.load` finds out one agent and one word at a time.

A hundred words an agent, each of which leads to another place in memory, is most of what a first filling takes. Here
words are numbered, and all of them sorted by number and slot, in one array.

It needs numpy, and so is loaded only where many agents are filled in together.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count, pairwise
from typing import Any, TypeAlias

import numpy as np

from ringfence_registry.finding.bits import Planes
from ringfence_registry.finding.words import words_of

_NUMBER = 32
"""In a sorted entry, the bit with which the number of the word begins; below it is the pair."""
_PAIR = (1 << _NUMBER) - 1

_Numbers: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


def pairs_by_word(
    first: int, places: Sequence[Sequence[tuple[int, str]]], strength_bits: int
) -> Iterator[tuple[str, bytes]]:
    """Yield each word with the pairs of those who say it, by slot, as the bytes of an array of unsigned integers.

    The texts of the agents of the slots from `first` on are given by place, each with its worth. A pair is the slot,
    and in the lowest `strength_bits` the sum of the worths of the places in which the word is.
    """
    number = defaultdict[str, int](count().__next__)
    said, lengths, heads = array("I"), array("I"), array("I")
    for slot, texts in enumerate(places, first):
        for worth, text in texts:
            words = words_of(text)
            said.extend(map(number.__getitem__, words))
            lengths.append(len(words))
            heads.append(slot << strength_bits | worth)
    if not said:
        return
    entries = np.array(said, np.uint64) << _NUMBER | np.repeat(np.array(heads, np.uint64), np.array(lengths))
    entries.sort()
    whose = entries >> strength_bits
    starts = np.concatenate(([0], _changes(whose)))
    strengths = np.bitwise_or.reduceat(entries & (1 << strength_bits) - 1, starts)
    whose = whose[starts]
    pairs = (whose << strength_bits & _PAIR | strengths).astype(np.uintc)
    # Numbers were given in order, and every word that has one is said by somebody.
    bounds = [0, *_changes(whose >> _NUMBER - strength_bits).tolist(), len(pairs)]
    for word, (start, end) in zip(number, pairwise(bounds), strict=True):
        yield word, pairs[start:end].tobytes()


def planes_of_pairs(pairs: "array[int]", strength_bits: int) -> Planes:
    """Return the strengths of many pairs as planes."""
    each = np.frombuffer(pairs, np.uintc)
    strengths = np.zeros(int(each[-1] >> strength_bits) + 1, np.uint8)
    strengths[each >> strength_bits] = each & (1 << strength_bits) - 1
    packed = (np.packbits(strengths >> bit & 1, bitorder="little").tobytes() for bit in range(strength_bits))
    return tuple(int.from_bytes(plane, "little") for plane in packed)


def _changes(values: _Numbers) -> _Numbers:
    """Return where in sorted values another one begins."""
    return np.flatnonzero(values[1:] != values[:-1]) + 1
