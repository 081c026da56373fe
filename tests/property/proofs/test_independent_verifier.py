"""The package and a verifier that shares no line with it agree on every log, every proof and every damaged proof."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.merkle import (
    Digest,
    Frontier,
    ProofInvalid,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from support import rfc_verifier

LOGS = st.lists(st.binary(max_size=12), min_size=1, max_size=70)


class Subtrees:
    """Every perfect subtree of a log."""

    def __init__(self, entries: list[bytes]) -> None:
        self.frontier, completed = Frontier().grow(map(leaf_hash, entries))
        self._known = {(each.level, each.index): each.digest for each in completed}

    def __call__(self, level: int, index: int) -> Digest:
        return self._known[level, index]


def verifies_inclusion(entry: bytes, index: int, size: int, hashes: list[Digest], root: bytes) -> bool:
    try:
        verify_inclusion(leaf_hash(entry), index, size, hashes, Digest(root))
    except ProofInvalid:
        return False
    return True


def verifies_consistency(first: int, old: bytes, second: int, new: bytes, hashes: list[Digest]) -> bool:
    try:
        verify_consistency(first, Digest(old), second, Digest(new), hashes)
    except ProofInvalid:
        return False
    return True


@given(LOGS, st.data())
def test_roots_and_paths(entries: list[bytes], data: st.DataObject) -> None:
    ours, size = Subtrees(entries), len(entries)
    index = data.draw(st.integers(0, size - 1))
    root = rfc_verifier.tree_hash(entries)
    assert ours.frontier.root() == root
    hashes = inclusion_proof(index, size, ours)
    assert hashes == rfc_verifier.path(index, entries)
    leaf = hashlib.sha256(b"\x00" + entries[index]).digest()
    assert rfc_verifier.root_from_path(leaf, index, size, hashes) == root
    assert verifies_inclusion(entries[index], index, size, hashes, root)


@given(LOGS, st.data())
def test_consistency(entries: list[bytes], data: st.DataObject) -> None:
    ours, size = Subtrees(entries), len(entries)
    first = data.draw(st.integers(1, size))
    old, new = rfc_verifier.tree_hash(entries[:first]), rfc_verifier.tree_hash(entries)
    hashes = consistency_proof(first, size, ours)
    assert hashes == rfc_verifier.proof(first, entries)
    assert rfc_verifier.roots_from_proof(first, size, old, hashes) == (old, new)
    assert verifies_consistency(first, old, size, new, hashes)


@st.composite
def damaged(draw: st.DrawFn, hashes: list[Digest]) -> list[Digest]:
    """Draw proofs that are almost right."""
    changed = list(hashes)
    match draw(st.sampled_from(["drop", "add", "change", "swap", "none"])):
        case "drop" if changed:
            del changed[draw(st.integers(0, len(changed) - 1))]
        case "add":
            changed.insert(draw(st.integers(0, len(changed))), Digest(draw(st.binary(min_size=32, max_size=32))))
        case "change" if changed:
            place = draw(st.integers(0, len(changed) - 1))
            changed[place] = Digest(bytes(reversed(changed[place])))
        case "swap":
            changed.reverse()
        case _:
            pass
    return changed


@given(LOGS, st.data())
def test_damaged_paths_are_judged_alike(entries: list[bytes], data: st.DataObject) -> None:
    ours, size = Subtrees(entries), len(entries)
    index = data.draw(st.integers(0, size - 1))
    claimed_index = data.draw(st.one_of(st.just(index), st.integers(0, size - 1)))
    claimed_size = data.draw(st.one_of(st.just(size), st.integers(claimed_index + 1, size + 9)))
    hashes = data.draw(damaged(inclusion_proof(index, size, ours)))
    root = rfc_verifier.tree_hash(entries)
    leaf = hashlib.sha256(b"\x00" + entries[index]).digest()
    second = rfc_verifier.root_from_path(leaf, claimed_index, claimed_size, hashes) == root
    assert verifies_inclusion(entries[index], claimed_index, claimed_size, hashes, root) == second


@given(LOGS, st.data())
def test_damaged_consistency_is_judged_alike(entries: list[bytes], data: st.DataObject) -> None:
    ours, size = Subtrees(entries), len(entries)
    first = data.draw(st.integers(1, size))
    hashes = data.draw(damaged(consistency_proof(first, size, ours)))
    claimed = data.draw(st.one_of(st.just(first), st.integers(1, size)))
    old, new = rfc_verifier.tree_hash(entries[:first]), rfc_verifier.tree_hash(entries)
    second = rfc_verifier.roots_from_proof(claimed, size, old, hashes) == (old, new)
    assert verifies_consistency(claimed, old, size, new, hashes) == second
