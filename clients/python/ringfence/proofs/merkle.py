"""Merkle trees as RFC 9162 section 2.1 defines them: what a log hashes to, and short proofs about it.

Pure: hashes in, hashes out, nothing stored. The rules:

- a leaf is SHA-256(0x00 || entry), a node is SHA-256(0x01 || left || right):
  the prefixes keep one from posing as the other;
- a tree of n leaves splits at the largest power of two below n, so a perfect subtree once hashed never changes;
- appending needs only the roots of the perfect subtrees along the right edge (`Frontier`), at most log2(n) of them;
- a verifier trusts nothing but the roots it was given: a proof that is too long, too short or wrong is refused.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NewType, TypeAlias

Digest = NewType("Digest", bytes)
"""32 bytes of SHA-256."""

DIGEST_SIZE = 32

EMPTY_ROOT = Digest(hashlib.sha256(b"").digest())
"""The root of a log without entries (RFC 9162 2.1.1)."""

SubtreeReader: TypeAlias = Callable[[int, int], Digest]
"""Returns the root of the perfect subtree `(level, index)`: leaves [index << level, (index + 1) << level)."""


class ProofInvalid(ValueError):  # noqa: N818 - named for what happened, like the failures of a service
    """A proof does not lead from what was claimed to the root that is trusted."""


@dataclass(frozen=True, slots=True)
class Subtree:
    """The root of one perfect subtree, and where it stands."""

    level: int
    index: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class Frontier:
    """All it takes to append to a log of `size` entries: the roots of its perfect subtrees, the largest first."""

    size: int = 0
    peaks: tuple[Digest, ...] = ()

    def root(self) -> Digest:
        """Return the root of the whole tree."""
        return _fold(self.peaks) if self.peaks else EMPTY_ROOT

    def grow(self, leaves: Iterable[Digest]) -> tuple["Frontier", list[Subtree]]:
        """Return the frontier after `leaves`, and every perfect subtree they completed, the leaves among them."""
        size, peaks, completed = self.size, list(self.peaks), list[Subtree]()
        for leaf in leaves:
            digest, level, index = leaf, 0, size
            completed.append(Subtree(0, index, digest))
            while index & 1:  # this subtree is a right child: its left sibling is the last peak
                digest = node_hash(peaks.pop(), digest)
                level, index = level + 1, index >> 1
                completed.append(Subtree(level, index, digest))
            peaks.append(digest)
            size += 1
        return Frontier(size, tuple(peaks)), completed


def leaf_hash(entry: bytes) -> Digest:
    """Return the hash of one entry, over its bytes exactly as they are stored."""
    return Digest(hashlib.sha256(b"\x00" + entry).digest())


def node_hash(left: Digest, right: Digest) -> Digest:
    """Return the hash of an inner node."""
    return Digest(hashlib.sha256(b"\x01" + left + right).digest())


def root_at(size: int, subtree: SubtreeReader) -> Digest:
    """Return the root the log had when it held `size` entries."""
    return _range_root(0, size, subtree) if size else EMPTY_ROOT


def frontier_at(size: int, subtree: SubtreeReader) -> Frontier:
    """Return the frontier of the log at `size` entries, read back from its subtrees."""
    return Frontier(size, tuple(subtree(level, index) for level, index in _perfect_subtrees(0, size)))


def inclusion_proof(index: int, size: int, subtree: SubtreeReader) -> list[Digest]:
    """Return the audit path of leaf `index` in the tree of `size` leaves (RFC 9162 2.1.3.1), nearest sibling first."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    begin, end, siblings = 0, size, list[tuple[int, int]]()
    while end - begin > 1:
        split = begin + _split(end - begin)
        if index < split:
            siblings.append((split, end))
            end = split
        else:
            siblings.append((begin, split))
            begin = split
    return [_range_root(first, last, subtree) for first, last in reversed(siblings)]


def consistency_proof(first: int, second: int, subtree: SubtreeReader) -> list[Digest]:
    """Return the proof that the tree of `first` leaves is a prefix of the tree of `second` (RFC 9162 2.1.4.1)."""
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {first} leaves cannot be a prefix of one of {second}")
    if first == 0:
        return []
    begin, end, ranges = 0, second, list[tuple[int, int]]()
    while first != end:
        split = begin + _split(end - begin)
        if first <= split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((begin, split))
            begin = split
    if begin:  # else the old tree is itself a subtree of the new one, and its root is already known
        ranges.append((begin, end))
    return [_range_root(left, right, subtree) for left, right in reversed(ranges)]


def verify_inclusion(leaf: Digest, index: int, size: int, proof: Sequence[Digest], root: Digest) -> None:
    """Raise ProofInvalid unless `leaf` is entry `index` of the tree of `size` with `root` (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofInvalid(f"entry {index} cannot be in a log of {size} entries")
    _check_lengths(leaf, root, *proof)
    position, last, digest = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("the inclusion proof is longer than the tree is high")
        if position & 1 or position == last:
            digest = node_hash(sibling, digest)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            digest = node_hash(digest, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("the inclusion proof is shorter than the tree is high")
    if digest != root:
        raise ProofInvalid(f"entry {index} with this proof gives another root: it is not in this log")


def verify_consistency(
    first: int, first_root: Digest, second: int, second_root: Digest, proof: Sequence[Digest]
) -> None:
    """Raise ProofInvalid unless the log of `first` entries is a prefix of the log of `second` (RFC 9162 2.1.4.2)."""
    if not 0 <= first <= second:
        raise ProofInvalid(f"a log of {first} entries cannot be a prefix of one of {second}")
    if first in (0, second):
        expected = EMPTY_ROOT if first == 0 else second_root
        if proof or first_root != expected or (second == 0 and second_root != EMPTY_ROOT):
            raise ProofInvalid(f"the roots at {first} and {second} entries do not belong to one log")
    if first == second:
        return
    _check_lengths(first_root, second_root, *proof)
    if first == 0:
        return
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        raise ProofInvalid("the consistency proof is empty")
    old_root, new_root = _fold_consistency(first, second, path)
    if old_root != first_root:
        raise ProofInvalid(f"the proof does not lead to the root at {first} entries")
    if new_root != second_root:
        raise ProofInvalid(f"the log of {first} entries is not a prefix of the log of {second}: history was rewritten")


def _check_lengths(*digests: Digest) -> None:
    if any(len(digest) != DIGEST_SIZE for digest in digests):
        raise ProofInvalid(f"a hash has another length than the {DIGEST_SIZE} bytes of SHA-256")


def _fold_consistency(first: int, second: int, path: list[Digest]) -> tuple[Digest, Digest]:
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofInvalid("the consistency proof is longer than the tree is high")
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("the consistency proof is shorter than the tree is high")
    return old, new


def _split(size: int) -> int:
    """Return the largest power of two below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _perfect_subtrees(begin: int, end: int) -> list[tuple[int, int]]:
    """Return the perfect subtrees that make up leaves [begin, end), left to right, as few as can be."""
    found = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        found.append((level, begin >> level))
        begin += 1 << level
    return found


def _range_root(begin: int, end: int, subtree: SubtreeReader) -> Digest:
    return _fold([subtree(level, index) for level, index in _perfect_subtrees(begin, end)])


def _fold(peaks: Sequence[Digest]) -> Digest:
    """Hash the roots of perfect subtrees together from the right, as RFC 9162's recursive split does."""
    digest = peaks[-1]
    for peak in reversed(peaks[:-1]):
        digest = node_hash(peak, digest)
    return digest
