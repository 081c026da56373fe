"""What is known of the built-in packs beforehand: that it is of these packs, and what holds when it is not."""

from importlib import resources

import msgspec
import pytest
from ringfence_pdp.filters import proving
from ringfence_pdp.filters.builtin import builtin_rules, written_rules
from ringfence_pdp.filters.filter_rule import ViewKind
from ringfence_pdp.filters.finding import ArgumentType
from ringfence_pdp.filters.necessities import necessary
from ringfence_pdp.filters.rule_set import RuleSet
from ringfence_pdp.filters.squeezing import squeezed

FILE = resources.files("ringfence_pdp.filters") / "packs" / proving.FILE


def test_the_committed_proof_is_of_these_packs() -> None:
    """Written again by `make packs`."""
    assert FILE.read_bytes() == proving.written(proving.proof_of(written_rules()))


def test_what_is_known_is_what_is_written() -> None:
    proof = proving.proven()

    assert proof is not None
    assert proof.rules == builtin_rules()
    for pattern, ways in list(proof.by_pattern().items())[::20]:
        assert [list(sets) for sets in ways] == [list(sets) for sets in necessary(pattern)]


def test_every_pattern_that_is_looked_for_is_known() -> None:
    proof = proving.proven()

    assert proof is not None
    known = proof.by_pattern()
    for rule in proof.rules:
        assert rule.pattern in known
        assert ViewKind.SPACED not in rule.views or squeezed(rule.pattern) in known


@pytest.mark.parametrize("digest", ["", "0" * 64])
def test_a_proof_of_other_packs_counts_for_nothing(digest: str) -> None:
    proof = msgspec.json.decode(FILE.read_bytes(), type=proving.Proven)

    assert proving.is_of_these_packs(proof)
    assert not proving.is_of_these_packs(msgspec.structs.replace(proof, digest=digest))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"digest": 1}', b"\xff"])
def test_a_torn_file_counts_for_nothing(content: bytes) -> None:
    assert proving.read_proof(content) is None


def test_rules_find_the_same_with_and_without_what_is_known() -> None:
    proof = proving.proven()

    assert proof is not None
    rules = proof.rules[::15]
    known, alone = RuleSet(rules, proof.by_pattern()), RuleSet(rules)
    for rule in rules:
        for text in (*rule.matches[:1], *rule.passes[:1]):
            assert known.matches(text, ArgumentType.FREE_TEXT) == alone.matches(text, ArgumentType.FREE_TEXT)
