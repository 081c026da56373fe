"""Known answers of RFC 6962/9162 trees: the eight inputs and the roots that every implementation of the tree shares."""

import pytest
from ringfence.proofs.merkle import (
    EMPTY_ROOT,
    Digest,
    Frontier,
    ProofInvalid,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_at,
    verify_consistency,
    verify_inclusion,
)

ENTRIES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    Digest(bytes.fromhex(text))
    for text in (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def subtree(level: int, index: int) -> Digest:
    """Hash a perfect subtree of the eight leaves from scratch."""
    if level == 0:
        return LEAVES[index]
    return node_hash(subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1))


def test_the_empty_log_hashes_to_sha256_of_nothing() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Frontier().root() == EMPTY_ROOT == root_at(0, subtree)


def test_roots_of_one_to_eight_leaves() -> None:
    frontier = Frontier()
    for size, (leaf, root) in enumerate(zip(LEAVES, ROOTS, strict=True), start=1):
        frontier, _ = frontier.grow([leaf])
        assert frontier.root() == root == root_at(size, subtree)


def test_inclusion_paths_of_rfc_6962_section_2_1_3() -> None:
    # The worked example there has seven leaves; PATH(0) = [b, h, l], PATH(3) = [c, g, l], PATH(6) = [i, k].
    b, c, h, g, j = LEAVES[1], LEAVES[2], subtree(1, 1), subtree(1, 0), LEAVES[6]
    i, k = subtree(1, 2), subtree(2, 0)
    assert inclusion_proof(0, 7, subtree) == [b, h, node_hash(i, j)]
    assert inclusion_proof(3, 7, subtree) == [c, g, node_hash(i, j)]
    assert inclusion_proof(4, 7, subtree) == [LEAVES[5], j, k]
    assert inclusion_proof(6, 7, subtree) == [i, k]


def test_consistency_proofs_of_rfc_6962_section_2_1_3() -> None:
    # PROOF(3) = [c, d, g, l], PROOF(4) = [l], PROOF(6) = [i, j, k].
    c, d, g, j = LEAVES[2], LEAVES[3], subtree(1, 0), LEAVES[6]
    i, k = subtree(1, 2), subtree(2, 0)
    assert consistency_proof(3, 7, subtree) == [c, d, g, node_hash(i, j)]
    assert consistency_proof(4, 7, subtree) == [node_hash(i, j)]
    assert consistency_proof(6, 7, subtree) == [i, j, k]


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_no_inclusion_proof_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        inclusion_proof(index, size, subtree)
    with pytest.raises(ProofInvalid, match="cannot be in a log"):
        verify_inclusion(LEAVES[0], index, size, [], ROOTS[0])


def test_no_consistency_proof_backwards() -> None:
    with pytest.raises(ValueError, match="cannot be a prefix"):
        consistency_proof(5, 4, subtree)
    with pytest.raises(ProofInvalid, match="cannot be a prefix"):
        verify_consistency(5, ROOTS[4], 4, ROOTS[3], [])


def test_a_leaf_cannot_pose_as_a_node() -> None:
    # Without the prefixes an attacker shows the two children's hashes as one entry and proves it "included".
    forged_entry = LEAVES[0] + LEAVES[1]
    with pytest.raises(ProofInvalid, match="another root"):
        verify_inclusion(leaf_hash(forged_entry), 0, 1, [], ROOTS[1])


def test_a_proof_of_the_wrong_length_says_so() -> None:
    proof = inclusion_proof(2, 8, subtree)
    with pytest.raises(ProofInvalid, match="longer"):
        verify_inclusion(LEAVES[2], 2, 8, [*proof, ROOTS[0]], ROOTS[7])
    with pytest.raises(ProofInvalid, match="shorter"):
        verify_inclusion(LEAVES[2], 2, 8, proof[:-1], ROOTS[7])
    steps = consistency_proof(3, 7, subtree)
    with pytest.raises(ProofInvalid, match="longer"):
        verify_consistency(3, ROOTS[2], 7, ROOTS[6], [*steps, ROOTS[0]])
    with pytest.raises(ProofInvalid, match="shorter"):
        verify_consistency(3, ROOTS[2], 7, ROOTS[6], steps[:-1])
    with pytest.raises(ProofInvalid, match="empty"):
        verify_consistency(3, ROOTS[2], 7, ROOTS[6], [])


def test_a_rewritten_history_is_named() -> None:
    proof = consistency_proof(4, 7, subtree)
    with pytest.raises(ProofInvalid, match="rewritten"):
        verify_consistency(4, ROOTS[3], 7, ROOTS[7], proof)
    with pytest.raises(ProofInvalid, match="do not belong to one log"):
        verify_consistency(7, ROOTS[6], 7, ROOTS[7], [])
    with pytest.raises(ProofInvalid, match="do not belong to one log"):
        verify_consistency(0, ROOTS[0], 7, ROOTS[6], [])


def test_the_old_root_is_checked_as_well_as_the_new() -> None:
    with pytest.raises(ProofInvalid, match="root at 3"):
        verify_consistency(3, ROOTS[3], 7, ROOTS[6], consistency_proof(3, 7, subtree))
