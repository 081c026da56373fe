"""The Merkle tree against a naive recursive oracle written from RFC 9162 2.1 alone, for any size and any damage."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.merkle import (
    Digest,
    Frontier,
    ProofInvalid,
    Subtree,
    consistency_proof,
    frontier_at,
    inclusion_proof,
    leaf_hash,
    root_at,
    verify_consistency,
    verify_inclusion,
)
from ringfence_kit.log_tiles import WIDTH, TileId, add_to_tiles, subtrees_of

SIZES = st.integers(1, 80)


def oracle_root(entries: list[bytes]) -> bytes:
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return hashlib.sha256(b"\x01" + oracle_root(entries[:split]) + oracle_root(entries[split:])).digest()


class Log:
    """A log kept in tiles, as the store keeps it."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.tiles: dict[TileId, bytes] = {}
        self.frontier = Frontier()

    def read(self, tile: TileId) -> bytes:
        return self.tiles.get(tile, b"")

    def append(self, entries: list[bytes]) -> None:
        self.frontier, completed = self.frontier.grow([leaf_hash(entry) for entry in entries])
        self.tiles |= add_to_tiles(completed, self.read)
        self.entries += entries

    def subtree(self, level: int, index: int) -> Digest:
        return subtrees_of(self.read)(level, index)


def numbered(size: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(size)]


def log_of(size: int) -> Log:
    log = Log()
    log.append(numbered(size))
    return log


@given(st.lists(st.binary(max_size=8), max_size=60))
def test_the_root_is_the_oracles(entries: list[bytes]) -> None:
    log = Log()
    log.append(entries)
    assert log.frontier.root() == oracle_root(entries)


@given(st.lists(st.integers(0, 30), max_size=8))
def test_any_batching_gives_the_same_tree(batches: list[int]) -> None:
    total = sum(batches)
    one_by_one, batched = Log(), Log()
    for entry in numbered(total):
        one_by_one.append([entry])
    rest = numbered(total)
    for batch in batches:
        batched.append(rest[:batch])
        rest = rest[batch:]
    assert batched.frontier == one_by_one.frontier
    assert batched.tiles == one_by_one.tiles


@given(SIZES, st.data())
def test_every_old_root_and_frontier_can_be_read_back(size: int, data: st.DataObject) -> None:
    log = log_of(size)
    old = data.draw(st.integers(0, size))
    assert root_at(old, log.subtree) == oracle_root(log.entries[:old])
    assert frontier_at(old, log.subtree) == log_of(old).frontier


@given(SIZES, st.data())
def test_every_entry_is_proven_in_every_later_tree(size: int, data: st.DataObject) -> None:
    log = log_of(size)
    at = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, at - 1))
    proof = inclusion_proof(index, at, log.subtree)
    verify_inclusion(leaf_hash(log.entries[index]), index, at, proof, root_at(at, log.subtree))


@given(SIZES, st.data())
def test_a_damaged_inclusion_proof_is_refused(size: int, data: st.DataObject) -> None:
    log = log_of(size)
    index = data.draw(st.integers(0, size - 1))
    leaf, proof = leaf_hash(log.entries[index]), inclusion_proof(index, size, log.subtree)
    match data.draw(st.sampled_from(["leaf", "index", "flip", "drop", "add"])):
        case "leaf":
            leaf = leaf_hash(b"never logged")
        case "index":
            # In a tree where two places have paths of one shape the wrong index must still fail, as entries differ.
            index = data.draw(st.integers(-2, size + 2).filter(lambda other: other != index))
        case "flip" if proof:
            place = data.draw(st.integers(0, len(proof) - 1))
            proof[place] = Digest(bytes([proof[place][0] ^ 1]) + proof[place][1:])
        case "drop" if proof:
            del proof[data.draw(st.integers(0, len(proof) - 1))]
        case _:
            proof.insert(data.draw(st.integers(0, len(proof))), leaf)
    with pytest.raises(ProofInvalid):
        verify_inclusion(leaf, index, size, proof, log.frontier.root())


@given(SIZES, st.data())
def test_every_prefix_is_proven_consistent(size: int, data: st.DataObject) -> None:
    log = log_of(size)
    first = data.draw(st.integers(0, size))
    proof = consistency_proof(first, size, log.subtree)
    verify_consistency(first, Digest(oracle_root(log.entries[:first])), size, log.frontier.root(), proof)


@given(SIZES, st.data())
def test_no_proof_connects_a_forked_history(size: int, data: st.DataObject) -> None:
    honest, forked = log_of(size), Log()
    fork = data.draw(st.integers(0, size - 1))
    forked.append([entry if n != fork else b"rewritten" for n, entry in enumerate(honest.entries)])
    first = data.draw(st.integers(fork + 1, size))
    seen = Digest(oracle_root(honest.entries[:first]))
    for proof in (consistency_proof(first, size, forked.subtree), consistency_proof(first, size, honest.subtree)):
        with pytest.raises(ProofInvalid):
            verify_consistency(first, seen, size, forked.frontier.root(), proof)


def test_tiles_carry_a_tree_past_two_levels() -> None:
    size = WIDTH * WIDTH + WIDTH + 3
    log = log_of(size)
    assert set(log.tiles) == {TileId(0, n) for n in range(WIDTH + 2)} | {TileId(1, 0), TileId(1, 1), TileId(2, 0)}
    reads: list[TileId] = []

    def counted(tile: TileId) -> bytes:
        reads.append(tile)
        return log.read(tile)

    proof = inclusion_proof(12_345, size, subtrees_of(counted))
    verify_inclusion(leaf_hash(log.entries[12_345]), 12_345, size, proof, log.frontier.root())
    assert len(reads) == len(set(reads)) <= 5
    verify_consistency(
        70,
        root_at(70, log.subtree),
        size,
        log.frontier.root(),
        consistency_proof(70, size, log.subtree),
    )


def test_an_abandoned_write_leaves_nothing_behind() -> None:
    # A transaction that rolled back may have filled tiles further; the next append overwrites from its own size on.
    log = log_of(10)
    committed, tiles = log.frontier, dict(log.tiles)
    log.append([b"lost", b"lost too"])
    grown, completed = committed.grow([leaf_hash(b"kept")])
    tiles |= add_to_tiles(completed, log.read)
    assert root_at(11, subtrees_of(lambda tile: tiles.get(tile, b""))) == grown.root()
    assert Subtree(0, 10, leaf_hash(b"kept")) in completed
