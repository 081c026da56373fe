"""How a Merkle tree is kept: tiles of 256 hashes, so n entries need n / 255 rows and a proof reads a few of them.

A tile at (level, index) holds the hashes of tree level 8 x `level` from 256 x `index` on (C2SP tlog-tiles). Tree levels
between two tile levels are not stored; at most 255 hashes bring one back.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from ringfence.proofs.merkle import DIGEST_SIZE, Digest, Subtree, SubtreeReader

HEIGHT = 8
WIDTH = 1 << HEIGHT
_PAIR = 2 * DIGEST_SIZE


@dataclass(frozen=True, slots=True, order=True)
class TileId:
    """Where a tile stands."""

    level: int
    index: int


TileReader: TypeAlias = Callable[[TileId], bytes]
"""Returns the hashes of a tile, one after the other; fewer than 256 at the right edge, none when there is no tile."""


def add_to_tiles(completed: Iterable[Subtree], read: TileReader) -> dict[TileId, bytes]:
    """Return the tiles that change when `completed` subtrees, in the order they were completed, join the tree."""
    changed: dict[TileId, bytearray] = {}
    for subtree in completed:
        if subtree.level % HEIGHT:
            continue
        tile = TileId(subtree.level // HEIGHT, subtree.index // WIDTH)
        hashes = changed.get(tile)
        if hashes is None:
            hashes = changed[tile] = bytearray(read(tile))
        # A tile may hold more than the committed tree when a write was abandoned: write in place, never blindly append.
        offset = subtree.index % WIDTH * DIGEST_SIZE
        hashes[offset:] = subtree.digest
    return {tile: bytes(hashes) for tile, hashes in changed.items()}


def subtrees_of(read: TileReader) -> SubtreeReader:
    """Return a reader of perfect subtrees over tiles; it reads each tile once."""
    seen: dict[TileId, bytes] = {}

    def subtree(level: int, index: int) -> Digest:
        first = index << (level % HEIGHT)
        tile = TileId(level // HEIGHT, first // WIDTH)
        if tile not in seen:
            seen[tile] = read(tile)
        start = first % WIDTH * DIGEST_SIZE
        width = DIGEST_SIZE << (level % HEIGHT)
        row = seen[tile][start : start + width]
        if len(row) != width:
            raise ValueError(f"the tile {tile} does not hold the subtree {index} at level {level}")
        return _perfect_root(row)

    return subtree


def _perfect_root(row: bytes) -> Digest:
    """Return the root over hashes that stand one after the other, a power of two of them."""
    while len(row) > DIGEST_SIZE:
        # RFC 9162 2.1.1, a pair at a time; hundreds of them make a proof, so nothing stands between them.
        row = b"".join([sha256(b"\x01" + row[i : i + _PAIR]).digest() for i in range(0, len(row), _PAIR)])
    return Digest(row)
