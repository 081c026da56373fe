"""Requests about peers become what was asked, and every reason has its one name on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.identity.v1 import peer_pb2 as pb
from ringfence.proofs.peer_transcript import Requirements, Transcript
from ringfence.proofs.peer_verdict import PeerRefusal, Standing
from ringfence_identity.convert.peers import REFUSALS, create_challenge, verdict_to_proto, verify_peer
from ringfence_identity.peers.verification import PeerVerdict
from ringfence_kit.clock import Instant
from ringfence_kit.errors import InvalidRequest
from support.peer_meetings import STANDING, audiences, did_of, names, requirements, transcripts

NOW = Instant(1_767_225_600_000)


@given(requirements, audiences, names, names)
def test_a_challenge_is_asked_for_as_it_was_written(
    require: Requirements, audience: str, verifier: str, peer: str
) -> None:
    request = pb.CreateChallengeRequest(
        verifier=did_of(verifier),
        peer=did_of(peer),
        audience=audience,
        requirements=pb.PeerRequirements(score=require.score, ring=require.ring, scopes=require.scopes),
    )
    if did_of(verifier) == did_of(peer):
        with pytest.raises(InvalidRequest):
            create_challenge(request)
        return
    wanted = create_challenge(request)
    assert (wanted.require, wanted.audience) == (require, audience)
    assert (wanted.verifier, wanted.peer) == (did_of(verifier), did_of(peer))


def test_what_is_not_required_is_required_of_nobody() -> None:
    request = pb.CreateChallengeRequest(verifier=did_of("V"), peer=did_of("P"), audience="https://a")
    assert create_challenge(request).require == Requirements(score=0, ring=3, scopes=())


@given(transcripts(), st.binary(min_size=64, max_size=64), st.booleans())
def test_an_answer_is_read_as_it_was_signed(transcript: Transcript, signature: bytes, mutual: bool) -> None:
    request = pb.VerifyPeerRequest(
        challenge=bytes(57),
        transcript=transcript.encode(),
        peer_signature=signature,
        verifier_signature=signature if mutual else b"",
    )
    answer = verify_peer(request)
    assert (answer.transcript, answer.signed) == (transcript, transcript.encode())
    assert answer.peer_signature == signature
    assert answer.verifier_signature == (signature if mutual else None)


@given(st.binary(max_size=100), st.binary(max_size=300), st.binary(max_size=80), st.binary(max_size=80))
def test_no_bytes_make_it_fail_otherwise(challenge: bytes, transcript: bytes, one: bytes, other: bytes) -> None:
    request = pb.VerifyPeerRequest(
        challenge=challenge, transcript=transcript, peer_signature=one, verifier_signature=other
    )
    with pytest.raises(InvalidRequest):
        verify_peer(request)


def test_every_reason_has_one_name_on_the_wire() -> None:
    on_the_wire = {pb.PeerRefusal.Name(value) for value in REFUSALS.values()}
    assert REFUSALS.keys() == set(PeerRefusal)
    assert on_the_wire == {f"PEER_REFUSAL_{reason.name}" for reason in PeerRefusal}
    assert on_the_wire == set(pb.PeerRefusal.keys()) - {"PEER_REFUSAL_UNSPECIFIED"}


@given(st.sets(st.sampled_from(PeerRefusal), min_size=1))
def test_a_refusal_says_its_reasons_and_nothing_else(reasons: set[PeerRefusal]) -> None:
    verdict = PeerVerdict(refusals=tuple(reasons), peer=None, expires_at=NOW, mutual=False)
    message = verdict_to_proto(verdict)
    assert message == pb.VerifyPeerResponse(refusals=message.refusals)
    assert {REFUSALS[reason] for reason in reasons} == set(message.refusals)


@given(st.integers(0, 1_000), st.integers(0, 3), st.integers(1, 2**40))
def test_a_good_verdict_says_what_is_known_of_the_peer(score: int, ring: int, epoch: int) -> None:
    peer = Standing(
        did=STANDING.did,
        environment="prod",
        active=True,
        key=STANDING.key,
        did_version_id=STANDING.did_version_id,
        revocation_epoch=epoch,
        score=score,
        ring=ring,
        scopes=(),
    )
    message = verdict_to_proto(PeerVerdict(refusals=(), peer=peer, expires_at=NOW, mutual=True))
    assert (message.verified, message.score, message.ring, message.revocation_epoch) == (True, score, ring, epoch)
    assert (message.peer, message.mutual, message.expire_time.seconds) == (STANDING.did, True, NOW // 1_000)
