"""Turns a text into numbers of n-grams: what the heads of the intent model weigh, in training and at run time alike.

Rules. The same text gives the same numbers on every machine: only integer arithmetic that wraps around. Case, digits,
runs of white space and characters nobody sees make no difference, for they tell who wrote a text and not what it wants.
Characters are code points, so every script has its n-grams; where no spaces stand between words, each character is one.
Nothing is looked up per n-gram: a text of 80 characters costs some twenty operations on arrays.
"""

import unicodedata
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

BUCKETS_LOG2: Final = 18
BUCKETS: Final = 1 << BUCKETS_LOG2
VERSION: Final = 1
"""Raised whenever a text would give other numbers; an artefact of another version is refused."""
BLOCK: Final = 160
"""Characters of a block. A window is two blocks that follow each other; a long text is judged by its worst window."""
MAX_CHARACTERS: Final = 65_536

Codes = NDArray[np.uint32]
Buckets = NDArray[np.uint32]

_SHIFT = np.uint32(32 - BUCKETS_LOG2)
_STEP = np.uint32(0x01000193)
_MIX_3 = np.uint32(0x9E3779B1)
_MIX_4 = np.uint32(0x85EBCA6B)
_MIX_WORD = np.uint64(0x9E3779B97F4A7C15)
_MIX_PAIR = np.uint64(0xC2B2AE3D27D4EB4F)
_WORD_SHIFT = np.uint64(64 - BUCKETS_LOG2)
_PAIR_STEP = np.uint64(0x100000001B3)

_BASE = 0x5851F42D4C957F2D
_INVERSE = pow(_BASE, -1, 1 << 64)


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    steps = np.full(count, base & 0xFFFFFFFFFFFFFFFF, dtype=np.uint64)
    steps[0] = 1
    return np.cumprod(steps, dtype=np.uint64)


# Prefix sums of c * BASE^i make the hash of any word one difference and one product; 0.5 MB each, once.
_UP = _powers(_BASE, MAX_CHARACTERS + 2)
_DOWN = _powers(_INVERSE, MAX_CHARACTERS + 2)

# What ASCII becomes: lower case, digits alike, every kind of white space and control a space.
_ASCII = bytes(
    ord("0") if chr(code).isdigit() else 32 if code <= 32 or code == 127 else ord(chr(code).lower())
    for code in range(128)
) + bytes(range(128, 256))
_IN_WORD = np.array([chr(code).isalnum() or chr(code) == "_" for code in range(128)] + [True])
# Characters nobody sees are left out; control characters part words, as they do in ASCII.
_UNSEEN: dict[int, str | None] = {
    **dict.fromkeys((*range(32), 127), " "),
    **dict.fromkeys((*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFE00, 0xFE10))),
    **dict.fromkeys((*range(0xE0000, 0xE0080), 0xAD, 0x34F, 0x61C, 0x180E, 0xFEFF)),
}


class Grams(NamedTuple):
    """The n-grams of a text: the bucket of each, and where it starts."""

    codes: Codes
    """The folded text, one space before and one after."""
    threes: Buckets
    """Of three characters; the i-th starts at i."""
    fours: Buckets
    """Of four characters; the i-th starts at i."""
    words: Buckets
    """Of one word."""
    pairs: Buckets
    """Of two words that follow each other; the i-th starts with the i-th word."""
    starts: NDArray[np.intp]
    """Where each word starts."""
    ends: NDArray[np.intp]
    """Where each word ends, exclusive."""

    @property
    def all(self) -> Buckets:
        """Every bucket, in the order of the members."""
        return np.concatenate((self.threes, self.fours, self.words, self.pairs))


def fold(text: str) -> Codes:
    """Return the code points that are looked at."""
    text = text[:MAX_CHARACTERS]
    if text.isascii():
        plain = b" ".join(text.encode("ascii").translate(_ASCII).split())
        return np.frombuffer(b" %b " % plain, dtype=np.uint8).astype(np.uint32)
    seen = unicodedata.normalize("NFKC", text).translate(_UNSEEN).lower()
    joined = f" {' '.join(seen.split())} "[: MAX_CHARACTERS + 2]
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint32)
    return np.where(codes < 128, _ASCII_CODES[np.minimum(codes, 127)], codes)


_ASCII_CODES = np.frombuffer(_ASCII[:128], dtype=np.uint8).astype(np.uint32)


def grams(text: str) -> Grams:
    """Return the n-grams of a text."""
    codes = fold(text)
    mixed = codes[:-1] * _STEP
    mixed += codes[1:]
    mixed = mixed[:-1] * _STEP
    mixed += codes[2:]
    threes = mixed * _MIX_3
    threes >>= _SHIFT
    mixed = mixed[:-1] * _STEP
    mixed += codes[3:]
    fours = mixed * _MIX_4
    fours >>= _SHIFT
    starts, ends = _words(codes)
    sums = np.empty(len(codes) + 1, dtype=np.uint64)
    sums[0] = 0
    np.cumsum(codes * _UP[: len(codes)], out=sums[1:])
    hashes = (sums[ends] - sums[starts]) * _DOWN[starts]
    words = ((hashes * _MIX_WORD) >> _WORD_SHIFT).astype(np.uint32)
    followed = hashes[:-1] * _PAIR_STEP + hashes[1:]
    pairs = ((followed * _MIX_PAIR) >> _WORD_SHIFT).astype(np.uint32)
    return Grams(codes, threes, fours, words, pairs, starts, ends)


def _words(codes: Codes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where words start and end. The text starts and ends with a space, so every word has both."""
    inside = _IN_WORD[np.minimum(codes, 128)]
    edges = inside[1:] != inside[:-1]
    if codes.max() >= 0x2E80:  # scripts without spaces: a word is a character
        alone = (codes >= 0x2E80) & ((codes < 0xA4D0) | ((codes >= 0xF900) & (codes < 0xFB00)) | (codes >= 0x20000))
        starts = inside & (alone | ~_before(inside) | _before(alone))
        ends = inside & (alone | ~_after(inside) | _after(alone))
        return np.flatnonzero(starts), np.flatnonzero(ends) + 1
    places = np.flatnonzero(edges) + 1
    return places[::2], places[1::2]


def _before(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.concatenate((mask[:1], mask[:-1]))


def _after(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.concatenate((mask[1:], mask[-1:]))
