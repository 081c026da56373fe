"""Attacks on a meeting, each played over the wire, and the holes of handshakes that came before, each closed."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from ringfence.identity.v1 import identity_pb2, peer_pb2
from ringfence.proofs.peer_transcript import PeerRole, Requirements, signing_input
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import EPOCH, SECOND, Instant, Millis
from ringfence_kit.sealed_keys import Ed25519Signer
from support.identity.keys import seeded_key
from support.identity.meetings import Meeting, agent_caller, party_of, two_agents
from support.identity.mesh import IdentityMesh, identity_mesh
from support.identity.rotations import replacement, rotation
from support.serving import SERVICE
from support.wire import refusal


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        yield running


@pytest.fixture
async def meeting(mesh: IdentityMesh) -> Meeting:
    return await two_agents(mesh)


async def third(meeting: Meeting) -> identity_pb2.AgentIdentity:
    return (await meeting.mesh.enrol("mallory", key=seeded_key(3))).identity


class TestReplay:
    async def test_a_handshake_is_good_once_even_in_the_same_second(self, meeting: Meeting) -> None:
        answer = await meeting.answer()
        assert (await meeting.verify(answer)).verified
        assert await meeting.refusals(answer) == {"REPLAYED"}

    async def test_also_after_a_restart(self, tmp_path: Path) -> None:
        async with identity_mesh(tmp_path) as mesh:
            meeting = await two_agents(mesh)
            used, unused = await meeting.answer(), await meeting.answer()
            assert (await meeting.verify(used)).verified
        async with identity_mesh(tmp_path, clock=mesh.clock) as again:
            meeting.mesh = again
            assert await meeting.refusals(used) == {"REPLAYED"}
            assert (await meeting.verify(unused)).verified

    async def test_of_many_at_once_one_counts(self, meeting: Meeting) -> None:
        answer = await meeting.answer()
        verdicts = await asyncio.gather(*(meeting.verify(answer) for _ in range(16)))
        assert sum(verdict.verified for verdict in verdicts) == 1

    async def test_another_signature_over_the_same_transcript_is_no_second_answer(self, meeting: Meeting) -> None:
        answer = await meeting.answer()
        assert (await meeting.verify(answer)).verified
        by_verifier = meeting.verifier_key.sign(signing_input(PeerRole.VERIFIER, answer.transcript))
        answer.verifier_signature = by_verifier
        assert await meeting.refusals(answer) == {"REPLAYED"}

    async def test_an_answer_is_forgotten_no_sooner_than_its_challenge_ends(self, meeting: Meeting) -> None:
        answer = await meeting.answer()
        await meeting.verify(answer)
        for _ in range(70):
            meeting.mesh.clock.advance(Millis(SECOND))
            assert (await meeting.verify(await meeting.answer())).verified
            assert not (await meeting.verify(answer)).verified

    async def test_a_refused_answer_does_not_wait_for_better_times(self, meeting: Meeting) -> None:
        """Signed and refused is answered: it cannot be shown again when the score has risen."""
        answer = await meeting.answer(score=301)
        assert await meeting.refusals(answer) == {"SCORE_TOO_LOW"}
        assert await meeting.refusals(answer) == {"REPLAYED", "SCORE_TOO_LOW"}

    async def test_a_forged_answer_does_not_use_the_challenge_up(self, meeting: Meeting) -> None:
        answer = await meeting.answer()
        forged = peer_pb2.VerifyPeerRequest()
        forged.CopyFrom(answer)
        forged.peer_signature = bytes(64)
        assert await meeting.refusals(forged) == {"PROOF_INVALID"}
        assert (await meeting.verify(answer)).verified


class TestRelay:
    async def test_a_message_for_one_verifier_never_verifies_at_another(self, meeting: Meeting) -> None:
        """Mallory, asked by the buyer, has the seller answer and shows that answer as made for itself."""
        mallory = await third(meeting)
        answer = await meeting.answer()
        refused = await refusal(meeting.verify(answer, agent_caller(mallory)))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
        own = replace_verifier(meeting, mallory)
        challenged = await own.challenge()
        transcript = own.transcript(challenged)
        stolen = own.signed(challenged, transcript)
        stolen.peer_signature = answer.peer_signature
        assert await own.refusals(stolen) == {"PROOF_INVALID"}

    async def test_a_challenge_of_another_verifier_is_not_ours(self, meeting: Meeting) -> None:
        mallory = await third(meeting)
        own = replace_verifier(meeting, mallory)
        of_another = await meeting.challenge()
        answer = own.signed(of_another, own.transcript(of_another))
        assert await own.refusals(answer) == {"CHALLENGE_INVALID"}

    async def test_an_answer_of_another_peer_does_not_count(self, meeting: Meeting) -> None:
        mallory = await third(meeting)
        challenged = await meeting.challenge()
        transcript = replace(meeting.transcript(challenged), peer=party_of(mallory, seeded_key(3), nonce=3))
        answer = meeting.signed(challenged, transcript)
        answer.peer_signature = seeded_key(3).sign(signing_input(PeerRole.PEER, answer.transcript))
        assert await meeting.refusals(answer) == {"CHALLENGE_INVALID"}

    async def test_posing_as_the_peer_takes_its_key(self, meeting: Meeting) -> None:
        challenged = await meeting.challenge()
        transcript = meeting.transcript(challenged)
        posing = replace(
            transcript, peer=replace(transcript.peer, key=party_of(meeting.peer, seeded_key(3), nonce=2).key)
        )
        for said in (transcript, posing):
            answer = meeting.signed(challenged, said)
            answer.peer_signature = seeded_key(3).sign(signing_input(PeerRole.PEER, answer.transcript))
            assert await meeting.refusals(answer) == {"PROOF_INVALID"}


class TestReflection:
    async def test_the_verifiers_own_message_sent_back_proves_nothing(self, meeting: Meeting) -> None:
        answer = await meeting.answer(mutual=True)
        answer.peer_signature = answer.verifier_signature
        assert await meeting.refusals(answer) == {"PROOF_INVALID"}

    async def test_the_peers_own_message_is_no_verifiers(self, meeting: Meeting) -> None:
        answer = await meeting.answer(mutual=True)
        answer.verifier_signature = answer.peer_signature
        assert await meeting.refusals(answer) == {"PROOF_INVALID"}

    async def test_the_same_transcript_with_its_sides_exchanged_is_another(self, meeting: Meeting) -> None:
        challenged = await meeting.challenge()
        transcript = meeting.transcript(challenged)
        turned = replace(transcript, verifier=transcript.peer, peer=transcript.verifier)
        answer = meeting.signed(challenged, turned, mutual=True)
        refused = await refusal(meeting.verify(answer))
        assert refused.reason == "NOT_PERMITTED"
        assert await meeting.refusals(answer, agent_caller(meeting.peer)) == {"CHALLENGE_INVALID", "PROOF_INVALID"}


class TestChangedTerms:
    @pytest.mark.parametrize(
        "changes",
        [
            {"require": Requirements(score=0, ring=3)},
            {"require": Requirements(score=300, ring=3, scopes=("invoices:read",))},
            {"audience": "https://elsewhere.example.com"},
        ],
    )
    async def test_what_was_asked_of_identity_cannot_be_changed_in_the_transcript(
        self, meeting: Meeting, changes: dict[str, Any]
    ) -> None:
        challenged = await meeting.challenge(score=300)
        transcript = replace(meeting.transcript(challenged, score=300), **changes)
        assert await meeting.refusals(meeting.signed(challenged, transcript)) == {"CHALLENGE_INVALID"}

    async def test_a_transcript_may_end_before_its_challenge_and_not_after(self, meeting: Meeting) -> None:
        challenged = await meeting.challenge()
        transcript = meeting.transcript(challenged)
        later = replace(
            transcript,
            issued_at=Instant(transcript.issued_at + SECOND),
            expires_at=Instant(transcript.expires_at + SECOND),
        )
        assert await meeting.refusals(meeting.signed(challenged, later)) == {"CHALLENGE_INVALID"}
        sooner = replace(transcript, expires_at=Instant(transcript.expires_at - 20 * SECOND))
        assert (await meeting.verify(meeting.signed(challenged, sooner))).verified

    async def test_an_old_challenge_is_no_good(self, meeting: Meeting) -> None:
        answer = await meeting.answer()
        meeting.mesh.clock.advance(Millis(30 * SECOND))
        assert await meeting.refusals(answer) == {"CHALLENGE_INVALID"}

    async def test_a_challenge_nobody_made_is_no_good(self, meeting: Meeting) -> None:
        challenged = await meeting.challenge()
        made_up = peer_pb2.CreateChallengeResponse(challenge=bytes(57), expire_time=challenged.expire_time)
        answer = meeting.signed(made_up, meeting.transcript(made_up))
        assert await meeting.refusals(answer) == {"CHALLENGE_INVALID"}


class TestEnvironments:
    async def test_a_transcript_of_another_environment_is_refused_whatever_else(self, meeting: Meeting) -> None:
        for environment in ("dev", "staging", "nowhere"):
            refused = await meeting.refusals(await meeting.bent(environment=environment))
            assert {"CHALLENGE_INVALID", "NOT_ACTIVE"} <= refused

    async def test_a_peer_of_another_environment_is_no_neighbour(self, meeting: Meeting) -> None:
        dev = (await meeting.mesh.enrol("seller", key=seeded_key(4), environment="dev")).identity
        challenged = await meeting.challenge()
        transcript = replace(meeting.transcript(challenged), peer=party_of(dev, seeded_key(4), nonce=4))
        answer = meeting.signed(challenged, transcript)
        answer.peer_signature = seeded_key(4).sign(signing_input(PeerRole.PEER, answer.transcript))
        assert await meeting.refusals(answer) == {"CHALLENGE_INVALID", "NOT_ACTIVE"}

    async def test_a_challenge_of_another_server_is_worth_nothing(self, tmp_path: Path) -> None:
        async with identity_mesh(tmp_path / "one") as one:
            challenged = await (await two_agents(one)).challenge()
        async with identity_mesh(tmp_path / "two") as two:
            meeting = await two_agents(two)
            answer = meeting.signed(challenged, meeting.transcript(challenged))
            assert await meeting.refusals(answer) == {"CHALLENGE_INVALID"}


class TestRevocation:
    async def test_revoked_is_never_verified_again(self, meeting: Meeting) -> None:
        before = await meeting.answer()
        await meeting.mesh.identity().Revoke(identity_pb2.RevokeRequest(did=meeting.peer.did, reason="compromised"))
        assert await meeting.refusals(before) >= {"NOT_ACTIVE"}
        after = await meeting.answer()
        assert await meeting.refusals(after) >= {"NOT_ACTIVE"}
        challenged = await meeting.challenge()
        transcript = meeting.transcript(challenged)
        renewed = replace(transcript, peer=replace(transcript.peer, version=await newest(meeting)))
        assert await meeting.refusals(meeting.signed(challenged, renewed)) == {"NOT_ACTIVE"}


class TestKeys:
    async def test_a_key_that_was_rotated_away_proves_nothing(self, meeting: Meeting) -> None:
        before = await meeting.answer()
        old = meeting.peer
        meeting.mesh.clock.advance(Millis(2 * SECOND))
        request = rotation(old, seeded_key(2), seeded_key(5))
        meeting.peer = (await meeting.mesh.identity(ANONYMOUS).RotateKey(request)).identity
        assert await meeting.refusals(before) == {"PROOF_INVALID"}
        with_old_key = await meeting.answer()
        assert await meeting.refusals(with_old_key) == {"PROOF_INVALID"}
        posing = replace(party_of(old, seeded_key(2), nonce=2), version=meeting.peer.did_version_id)
        challenged = await meeting.challenge()
        answer = meeting.signed(challenged, replace(meeting.transcript(challenged), peer=posing))
        assert await meeting.refusals(answer) == {"PROOF_INVALID"}
        meeting.peer_key = seeded_key(5)
        verdict = await meeting.verify(await meeting.answer())
        assert verdict.verified
        assert verdict.revocation_epoch > old.revocation_epoch

    async def test_a_verifiers_rotated_key_is_no_good_either(self, meeting: Meeting) -> None:
        before = await meeting.answer(mutual=True)
        meeting.mesh.clock.advance(Millis(2 * SECOND))
        request = rotation(meeting.verifier, seeded_key(1), seeded_key(5))
        await meeting.mesh.identity(ANONYMOUS).RotateKey(request)
        assert await meeting.refusals(before) == {"PROOF_INVALID"}

    async def test_a_compromised_key_proves_nothing(self, meeting: Meeting) -> None:
        before = await meeting.answer()
        meeting.mesh.clock.advance(Millis(2 * SECOND))
        report = identity_pb2.ReportCompromiseRequest(
            did=meeting.peer.did,
            reason="It was found in a log.",
            replacement=replacement(meeting.peer, seeded_key(2), seeded_key(5)),
        )
        await meeting.mesh.identity().ReportCompromise(report)
        assert "PROOF_INVALID" in await meeting.refusals(before)


class TestEphemeralAgents:
    @pytest.fixture
    async def brief(self, meeting: Meeting) -> Meeting:
        """A meeting with an agent whose name is its key, for a minute."""
        enrolled = await meeting.mesh.enrol(
            "brief", key=seeded_key(6), did_method=identity_pb2.DID_METHOD_KEY, lifetime=Duration(seconds=60)
        )
        return replace_peer(meeting, enrolled.identity)

    async def test_they_meet_like_everybody_and_their_verdict_ends_with_them(self, brief: Meeting) -> None:
        verdict = await brief.verify(await brief.answer(mutual=True))
        assert verdict.peer.startswith("did:key:")
        assert verdict.expire_time == brief.peer.expire_time

    async def test_who_has_ended_is_not_active(self, brief: Meeting) -> None:
        brief.mesh.clock.advance(Millis(45 * SECOND))
        answer = await brief.answer()
        brief.mesh.clock.advance(Millis(15 * SECOND))
        assert await brief.refusals(answer) == {"NOT_ACTIVE"}

    async def test_no_statement_outlives_them(self, brief: Meeting) -> None:
        brief.mesh.clock.advance(Millis(20 * SECOND))
        stub = brief.mesh.trust(agent_caller(brief.peer))
        request = peer_pb2.IssueTrustStatementRequest(did=brief.peer.did)
        assert (await stub.IssueTrustStatement(request)).expire_time.seconds == brief.peer.expire_time.seconds
        brief.mesh.clock.advance(Millis(40 * SECOND))
        refused = await refusal(brief.mesh.trust(SERVICE).IssueTrustStatement(request))
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_EXPIRED")


def replace_peer(meeting: Meeting, peer: identity_pb2.AgentIdentity) -> Meeting:
    return Meeting(mesh=meeting.mesh, verifier=meeting.verifier, peer=peer, peer_key=seeded_key(6))


async def newest(meeting: Meeting) -> str:
    request = identity_pb2.GetAgentIdentityRequest(did=meeting.peer.did)
    return (await meeting.mesh.identity().GetAgentIdentity(request)).identity.did_version_id


def replace_verifier(meeting: Meeting, verifier: identity_pb2.AgentIdentity) -> Meeting:
    return Meeting(mesh=meeting.mesh, verifier=verifier, peer=meeting.peer, verifier_key=seeded_key(3))


def sizes_in(data: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in data.glob("identity.db*")}


def contents_of(data: Path) -> list[bytes]:
    return [path.read_bytes() for path in data.rglob("*") if path.is_file()]


class TestFlooding:
    async def test_a_thousand_outstanding_challenges_cost_nothing(self, meeting: Meeting, tmp_path: Path) -> None:
        """AGT holds each pending one in memory; a thousand more and the next handshake is refused."""
        first = await meeting.answer()
        before = sizes_in(tmp_path)
        challenges = {(await meeting.challenge(caller=SERVICE)).challenge for _ in range(1_000)}
        assert len(challenges) == 1_000
        assert sizes_in(tmp_path) == before
        assert (await meeting.verify(first)).verified


class TestHolesOfHandshakesBefore:
    """AGT's TrustBridge, docs and code of 5.0: each of its four holes, and what happens here instead."""

    async def test_a_fresh_agent_is_judged_by_its_own_score_and_not_by_a_default(self, meeting: Meeting) -> None:
        """There a default of 500 against a threshold of 700 refuses everybody new, whatever is required."""
        assert (await meeting.verify(await meeting.answer())).score == 300
        assert (await meeting.verify(await meeting.answer(score=300))).verified
        assert await meeting.refusals(await meeting.answer(score=301)) == {"SCORE_TOO_LOW"}

    async def test_the_peers_private_key_is_nowhere_but_with_the_peer(self, meeting: Meeting, tmp_path: Path) -> None:
        """There the registry answers the challenge with the peer's private key; a remote peer cannot be verified."""
        private = hashlib.sha256(b"known to the peer alone").digest()
        meeting.peer_key = Ed25519Signer(private, EPOCH)
        meeting.peer = (await meeting.mesh.enrol("remote", key=meeting.peer_key)).identity
        assert (await meeting.verify(await meeting.answer())).verified
        kept = contents_of(tmp_path)
        assert any(b"agents/remote" in data for data in kept)
        assert not any(private in data or private.hex().encode() in data for data in kept)

    async def test_a_verdict_is_not_served_again_after_a_revocation(self, meeting: Meeting) -> None:
        """There a result is served from cache for 900 s, and trusts a revoked peer again."""
        assert (await meeting.verify(await meeting.answer())).verified
        await meeting.mesh.identity().Revoke(identity_pb2.RevokeRequest(did=meeting.peer.did, reason="gone"))
        assert "NOT_ACTIVE" in await meeting.refusals(await meeting.answer())

    async def test_a_higher_requirement_is_judged_anew(self, meeting: Meeting) -> None:
        """There the cached result ignores it: passed at 0 is passed at 1000."""
        assert (await meeting.verify(await meeting.answer())).verified
        higher = await meeting.answer(score=1_000, scopes=["admin:all"])
        assert await meeting.refusals(higher) == {"SCORE_TOO_LOW", "SCOPE_NOT_GRANTED"}
