"""Challenges for peers: good for exactly what they were made for, for thirty seconds, and as nothing else."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.peer_transcript import LIFETIME
from ringfence_identity.enrolment_challenge import Challenge, read_challenge, seal_challenge
from ringfence_identity.peers.challenges import (
    CHALLENGE_BYTES,
    PeerChallenge,
    PeerSubject,
    open_peer_challenge,
    seal_peer_challenge,
)
from ringfence_kit.clock import EPOCH, Instant
from ringfence_kit.names import AgentName
from ringfence_kit.sealed_keys import MacKey
from support.peer_meetings import audiences, did_of, environments, names, requirements

KEY = MacKey("a", b"\1" * 32, EPOCH)
NEWER = MacKey("b", b"\2" * 32, EPOCH)
NOW = Instant(1_767_225_600_000)

dids = names.map(did_of)
subjects = st.builds(
    PeerSubject, environment=environments, verifier=dids, peer=dids, audience=audiences, require=requirements
)
challenges = st.builds(
    PeerChallenge,
    nonce=st.binary(min_size=16, max_size=16),
    expires_at=st.integers(1, LIFETIME).map(lambda life: Instant(NOW + life)),
)


@given(challenges, subjects)
def test_it_opens_for_what_it_was_made_for(challenge: PeerChallenge, subject: PeerSubject) -> None:
    sealed = seal_peer_challenge(challenge, subject, KEY)
    assert open_peer_challenge(sealed, subject, [NEWER, KEY]) == challenge
    assert len(sealed) == CHALLENGE_BYTES == 57


@given(challenges, subjects, subjects)
def test_it_opens_for_nothing_else(challenge: PeerChallenge, subject: PeerSubject, other: PeerSubject) -> None:
    sealed = seal_peer_challenge(challenge, subject, KEY)
    assert (open_peer_challenge(sealed, other, [KEY]) is not None) == (subject == other)
    assert (subject.encode() == other.encode()) == (subject == other)


@given(challenges, subjects, st.sampled_from(["environment", "verifier", "peer", "audience", "require"]), st.data())
def test_any_part_of_its_subject_counts(
    challenge: PeerChallenge, subject: PeerSubject, part: str, data: st.DataObject
) -> None:
    values: dict[str, st.SearchStrategy[Any]] = {
        "environment": environments,
        "verifier": dids,
        "peer": dids,
        "audience": audiences,
        "require": requirements,
    }
    before = getattr(subject, part)
    other = replace(subject, **{part: data.draw(values[part].filter(lambda value: value != before))})
    assert open_peer_challenge(seal_peer_challenge(challenge, subject, KEY), other, [KEY]) is None


@given(challenges, subjects, st.integers(0, CHALLENGE_BYTES * 8 - 1))
def test_with_any_bit_flipped_it_is_not_ours(challenge: PeerChallenge, subject: PeerSubject, bit: int) -> None:
    sealed = bytearray(seal_peer_challenge(challenge, subject, KEY))
    sealed[bit // 8] ^= 1 << bit % 8
    assert open_peer_challenge(bytes(sealed), subject, [KEY]) is None


@given(st.binary(max_size=80), subjects)
def test_no_bytes_make_it_fail_otherwise(sealed: bytes, subject: PeerSubject) -> None:
    assert open_peer_challenge(sealed, subject, [KEY]) is None


@given(challenges, subjects)
def test_another_environments_key_makes_it_another_servers(challenge: PeerChallenge, subject: PeerSubject) -> None:
    assert open_peer_challenge(seal_peer_challenge(challenge, subject, KEY), subject, [NEWER]) is None


@given(challenges, st.integers(0, 10**9))
def test_it_is_fresh_for_thirty_seconds_whichever_way_the_clock_goes(challenge: PeerChallenge, by: int) -> None:
    assert challenge.is_fresh(NOW) == (challenge.expires_at <= NOW + LIFETIME)
    assert not challenge.is_fresh(Instant(challenge.expires_at + by))
    assert not challenge.is_fresh(Instant(challenge.expires_at - LIFETIME - 1 - by))


@given(challenges, subjects, names)
def test_it_is_no_registration_challenge_and_the_other_way_round(
    challenge: PeerChallenge, subject: PeerSubject, name: str
) -> None:
    """Both are authenticated by the same key of the environment."""
    assert read_challenge(seal_peer_challenge(challenge, subject, KEY), [KEY]) is None
    registration = Challenge(
        agent=AgentName("billing", "reconciler"),
        environment=subject.environment,
        sponsor=f"sponsors/{name}",
        nonce=challenge.nonce,
        expires_at=challenge.expires_at,
    )
    sealed = seal_challenge(registration, KEY)
    assert open_peer_challenge(sealed, subject, [KEY]) is None
    assert open_peer_challenge(sealed[:25] + sealed[-32:], subject, [KEY]) is None
