"""Challenge and proof of possession: whatever is changed, by however little, is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.public_keys import public_key_of
from ringfence_identity.birth_certificate import BirthContent
from ringfence_identity.enrolment_challenge import (
    CHALLENGE_LIFETIME,
    SIGNING_PREFIX,
    Challenge,
    read_challenge,
    require_fresh,
    require_possession,
    seal_challenge,
    signing_input,
)
from ringfence_identity.errors import ChallengeInvalid, ProofInvalid
from ringfence_kit.clock import EPOCH, SECOND, Instant, Millis
from ringfence_kit.names import AgentName
from ringfence_kit.sealed_keys import MacKey
from support.identity.births import COMPLETE
from support.identity.keys import seeded_key

KEY = MacKey("a", b"\1" * 32, EPOCH)
NOW = Instant(1_767_225_600_000)

labels = st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
challenges = st.builds(
    Challenge,
    agent=st.builds(AgentName, labels, labels),
    environment=labels,
    sponsor=labels,
    nonce=st.binary(min_size=16, max_size=16),
    expires_at=st.integers(1, CHALLENGE_LIFETIME).map(lambda life: Instant(NOW + life)),
    lifetime=st.none() | st.integers(60, 86_400).map(lambda seconds: Millis(seconds * SECOND)),
)


@given(challenges)
def test_an_untouched_challenge_opens_to_what_was_sealed(challenge: Challenge) -> None:
    assert read_challenge(seal_challenge(challenge, KEY), [KEY]) == challenge
    require_fresh(challenge, now=NOW)


@given(challenges, st.data())
def test_a_challenge_with_any_bit_flipped_is_refused(challenge: Challenge, data: st.DataObject) -> None:
    sealed = bytearray(seal_challenge(challenge, KEY))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    assert read_challenge(bytes(sealed), [KEY]) is None


@given(challenges, challenges)
def test_no_two_challenges_look_alike(one: Challenge, other: Challenge) -> None:
    assert (seal_challenge(one, KEY) == seal_challenge(other, KEY)) == (one == other)


@given(challenges, st.integers(min_value=0, max_value=10**9))
def test_an_expired_challenge_is_refused_for_ever(challenge: Challenge, late: int) -> None:
    with pytest.raises(ChallengeInvalid, match="expired"):
        require_fresh(challenge, now=Instant(challenge.expires_at + late))


@given(challenges, st.integers(min_value=1, max_value=10**9))
def test_a_clock_set_back_does_not_lengthen_a_challenge(challenge: Challenge, early: int) -> None:
    with pytest.raises(ChallengeInvalid, match="not valid yet"):
        require_fresh(challenge, now=Instant(challenge.expires_at - CHALLENGE_LIFETIME - early))


@given(challenges)
def test_another_servers_challenge_is_refused_and_an_older_key_of_ours_is_not(challenge: Challenge) -> None:
    newer = MacKey("b", b"\2" * 32, EPOCH)
    sealed = seal_challenge(challenge, KEY)
    assert read_challenge(sealed, [newer]) is None
    assert read_challenge(sealed, [newer, KEY]) == challenge


@given(st.binary(max_size=600))
def test_no_bytes_make_it_fail_otherwise(sealed: bytes) -> None:
    assert read_challenge(sealed, [KEY]) is None


@given(challenges, challenges)
def test_a_proof_answers_one_challenge_one_content_and_one_key(asked: Challenge, other: Challenge) -> None:
    key = seeded_key(3)
    sealed = seal_challenge(asked, KEY)
    proof = key.sign(signing_input(sealed, COMPLETE))
    assert require_possession(key.public_key, proof, sealed, COMPLETE) == public_key_of(key)
    if other != asked:
        with pytest.raises(ProofInvalid):
            require_possession(key.public_key, proof, seal_challenge(other, KEY), COMPLETE)
    with pytest.raises(ProofInvalid):
        require_possession(seeded_key(4).public_key, proof, sealed, COMPLETE)


@given(
    st.sampled_from(
        [
            replace(COMPLETE, purpose="Something else."),
            replace(COMPLETE, permissions=(*COMPLETE.permissions, "admin:all")),
            replace(COMPLETE, sponsor="sponsors/eve"),
            replace(COMPLETE, approved_tools=()),
            replace(COMPLETE, ring_ceiling=2),
            replace(COMPLETE, max_delegation_depth=5),
            replace(COMPLETE, derived_from="did:key:z"),
        ]
    ),
    challenges,
)
def test_a_proof_over_other_content_is_refused(changed: BirthContent, challenge: Challenge) -> None:
    sealed = seal_challenge(challenge, KEY)
    proof = seeded_key(3).sign(signing_input(sealed, changed))
    with pytest.raises(ProofInvalid):
        require_possession(seeded_key(3).public_key, proof, sealed, COMPLETE)


@given(challenges, st.integers(0, 511))
def test_a_proof_with_any_bit_flipped_is_refused(challenge: Challenge, bit: int) -> None:
    sealed = seal_challenge(challenge, KEY)
    proof = bytearray(seeded_key(3).sign(signing_input(sealed, COMPLETE)))
    proof[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProofInvalid):
        require_possession(seeded_key(3).public_key, bytes(proof), sealed, COMPLETE)


def test_the_signing_input_is_prefix_challenge_and_32_bytes() -> None:
    message = signing_input(b"challenge", COMPLETE)
    assert message.startswith(SIGNING_PREFIX + b"challenge")
    assert len(message) == len(SIGNING_PREFIX) + 9 + 32
