"""Verifying a peer over the wire: what a verdict says, what is refused with which reason, and what is an error."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from ringfence.identity.v1 import (
    identity_pb2,
    peer_pb2,
    trust_pb2,
)
from ringfence_kit.callers import Caller
from ringfence_kit.clock import DAY, SECOND, Millis
from support.identity.births import COMPLETE
from support.identity.evidence import record, signal
from support.identity.keys import seeded_key
from support.identity.meetings import Meeting, agent_caller, two_agents
from support.identity.mesh import AUDITOR, GATEWAY, OWNER, IdentityMesh, identity_mesh
from support.serving import OPERATOR, SERVICE
from support.wire import refusal


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        yield running


@pytest.fixture
async def meeting(mesh: IdentityMesh) -> Meeting:
    return await two_agents(mesh)


async def raised(meeting: Meeting, *, days: int = 4) -> None:
    """Let the peer earn its way into ring 2."""
    for day in range(days * 4):
        signals = [
            signal(meeting.mesh, meeting.peer, f"up-{day}-{number}", trust_pb2.SIGNAL_KIND_EVALUATION_PASSED)
            for number in range(4)
        ]
        await record(meeting.mesh, *signals)
        meeting.mesh.clock.advance(Millis(DAY // 4))


async def test_a_verdict_says_who_where_how_trusted_and_until_when(meeting: Meeting) -> None:
    verdict = await meeting.verify(await meeting.answer(score=300, scopes=["invoices:read"]))
    now = meeting.mesh.clock.now() // SECOND
    assert verdict.verified
    assert not verdict.refusals
    assert (verdict.peer, verdict.environment) == (meeting.peer.did, "prod")
    assert (verdict.score, verdict.ring) == (300, 3)
    assert verdict.did_version_id == meeting.peer.did_version_id
    assert verdict.revocation_epoch == meeting.peer.revocation_epoch
    assert verdict.expire_time.seconds == now + 300
    assert not verdict.mutual


async def test_it_is_mutual_when_the_verifier_signed_too(meeting: Meeting) -> None:
    assert (await meeting.verify(await meeting.answer(mutual=True))).mutual


async def test_a_challenge_is_short_and_lives_thirty_seconds(meeting: Meeting) -> None:
    challenged = await meeting.challenge(scopes=[f"scope-{number}:read" for number in range(64)])
    assert len(challenged.challenge) == 57
    assert challenged.expire_time.ToMilliseconds() == meeting.mesh.clock.now() + 30_000


async def test_a_newcomer_is_refused_what_it_has_not_earned(meeting: Meeting) -> None:
    refused = await meeting.refusals(await meeting.answer(score=400, ring=2, scopes=["admin:all"]))
    assert refused == {"SCORE_TOO_LOW", "RING_INSUFFICIENT", "SCOPE_NOT_GRANTED"}


async def test_score_and_ring_are_those_of_now(meeting: Meeting) -> None:
    await raised(meeting)
    verdict = await meeting.verify(await meeting.answer(score=400, ring=2, scopes=["warehouse:export:daily"]))
    assert verdict.verified
    assert verdict.ring == 2


async def test_a_fall_between_challenge_and_answer_counts(meeting: Meeting) -> None:
    answer = await meeting.answer(score=300)
    await record(meeting.mesh, signal(meeting.mesh, meeting.peer, "down", trust_pb2.SIGNAL_KIND_FORGED_SIGNATURE))
    assert await meeting.refusals(answer) == {"SCORE_TOO_LOW"}


async def test_every_reason_is_told_at_once(meeting: Meeting) -> None:
    answer = await meeting.answer(score=1_000, ring=0, scopes=["admin:all"])
    answer.peer_signature = bytes(64)
    await meeting.mesh.identity().Revoke(identity_pb2.RevokeRequest(did=meeting.peer.did, reason="gone"))
    meeting.mesh.clock.advance(Millis(31 * SECOND))
    assert await meeting.refusals(answer) == {
        "PROOF_INVALID",
        "CHALLENGE_INVALID",
        "NOT_ACTIVE",
        "SCORE_TOO_LOW",
        "RING_INSUFFICIENT",
        "SCOPE_NOT_GRANTED",
    }


async def test_a_suspended_peer_is_not_active(meeting: Meeting) -> None:
    answer = await meeting.answer()
    incident = signal(meeting.mesh, meeting.peer, "incident", trust_pb2.SIGNAL_KIND_INCIDENT_CONFIRMED)
    await record(meeting.mesh, incident)
    assert await meeting.refusals(answer) == {"NOT_ACTIVE"}


async def test_a_suspended_verifier_has_nobody_verified(meeting: Meeting) -> None:
    answer = await meeting.answer()
    incident = signal(meeting.mesh, meeting.verifier, "incident", trust_pb2.SIGNAL_KIND_INCIDENT_CONFIRMED)
    await record(meeting.mesh, incident)
    assert await meeting.refusals(answer) == {"NOT_ACTIVE"}


class TestWhoMayAsk:
    async def test_an_agent_asks_for_itself_only(self, meeting: Meeting) -> None:
        answer = await meeting.answer()
        other = agent_caller(meeting.peer)
        for call in (meeting.challenge(caller=other), meeting.verify(answer, other)):
            refused = await refusal(call)
            assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
        assert (await meeting.verify(answer)).verified

    async def test_a_gateway_asks_for_the_agents_it_speaks_for(self, meeting: Meeting) -> None:
        bound = replace(GATEWAY, agents=frozenset({meeting.verifier.did}))
        by_name = replace(GATEWAY, principal="test:gate2", agents=frozenset({meeting.verifier.agent}))
        for gateway in (bound, by_name):
            challenged = await meeting.challenge(caller=gateway)
            answer = meeting.signed(challenged, meeting.transcript(challenged))
            assert (await meeting.verify(answer, gateway)).verified
        refused = await refusal(meeting.challenge(caller=GATEWAY))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")

    async def test_a_service_asks_for_any(self, meeting: Meeting) -> None:
        challenged = await meeting.challenge(caller=SERVICE)
        assert (await meeting.verify(meeting.signed(challenged, meeting.transcript(challenged)), SERVICE)).verified

    @pytest.mark.parametrize("caller", [OPERATOR, OWNER, AUDITOR])
    async def test_nobody_else_does(self, meeting: Meeting, caller: Caller) -> None:
        for call in (meeting.challenge(caller=caller), meeting.verify(await meeting.answer(), caller)):
            refused = await refusal(call)
            assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")

    async def test_permission_comes_before_existence(self, meeting: Meeting) -> None:
        scid = meeting.verifier.did.split(":")[2]
        swapped = scid[:-1] + ("2" if scid[-1] != "2" else "3")
        nobody = identity_pb2.AgentIdentity(did=meeting.verifier.did.replace(scid, swapped), environment="prod")
        unknown = replace_verifier(meeting, nobody)
        assert (await refusal(unknown.challenge(caller=meeting.caller))).reason == "NOT_PERMITTED"
        assert (await refusal(unknown.challenge(caller=agent_caller(nobody)))).reason == "AGENT_NOT_FOUND"


def replace_verifier(meeting: Meeting, verifier: identity_pb2.AgentIdentity) -> Meeting:
    return Meeting(mesh=meeting.mesh, verifier=verifier, peer=meeting.peer)


class TestRequests:
    async def test_all_that_is_wrong_with_a_challenge_is_named(self, meeting: Meeting) -> None:
        request = peer_pb2.CreateChallengeRequest(
            verifier=meeting.verifier.did,
            peer=meeting.verifier.did,
            audience='https://a"b',
            requirements=peer_pb2.PeerRequirements(score=1_001, ring=4, scopes=["*", "a:b", "a:b"]),
        )
        refused = await refusal(meeting.mesh.trust(meeting.caller).CreateChallenge(request))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert set(refused.violations) == {
            "peer",
            "audience",
            "requirements.score",
            "requirements.ring",
            "requirements.scopes[0]",
            "requirements.scopes[2]",
        }

    @pytest.mark.parametrize("did", ["did:web:prod.id.ringfence.internal", "did:webvh:x", "nobody"])
    async def test_a_did_that_is_none_of_ours_is_invalid(self, meeting: Meeting, did: str) -> None:
        request = peer_pb2.CreateChallengeRequest(verifier=meeting.verifier.did, peer=did, audience="https://a")
        refused = await refusal(meeting.mesh.trust(meeting.caller).CreateChallenge(request))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "DID_INVALID")

    async def test_a_peer_of_another_environment_is_refused(self, meeting: Meeting) -> None:
        dev = (await meeting.mesh.enrol("dev-agent", key=seeded_key(3), environment="dev")).identity
        request = peer_pb2.CreateChallengeRequest(verifier=meeting.verifier.did, peer=dev.did, audience="https://a")
        refused = await refusal(meeting.mesh.trust(meeting.caller).CreateChallenge(request))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
        refused = await refusal(meeting.mesh.trust(SERVICE).CreateChallenge(request))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert set(refused.violations) == {"peer"}

    async def test_an_unknown_peer_is_not_found(self, meeting: Meeting) -> None:
        scid = meeting.peer.did.split(":")[2]
        swapped = scid[:-1] + ("2" if scid[-1] != "2" else "3")
        request = peer_pb2.CreateChallengeRequest(
            verifier=meeting.verifier.did, peer=meeting.peer.did.replace(scid, swapped), audience="https://a"
        )
        refused = await refusal(meeting.mesh.trust(meeting.caller).CreateChallenge(request))
        assert (refused.code, refused.reason) == ("NOT_FOUND", "AGENT_NOT_FOUND")

    async def test_all_that_is_wrong_with_an_answer_is_named(self, meeting: Meeting) -> None:
        request = peer_pb2.VerifyPeerRequest(
            challenge=b"x", transcript=b"{}", peer_signature=b"short", verifier_signature=b"short"
        )
        refused = await refusal(meeting.verify(request))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert set(refused.violations) == {"challenge", "transcript", "peer_signature", "verifier_signature"}

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda text: text.replace(b'","', b'", "', 1),
            lambda text: text.replace(b'"ring":3', b'"ring":3.0'),
            lambda text: text.replace(b'"audience"', b'"audience":"https://evil","audience"'),
            lambda text: text.replace(b'"require"', b'"requires"'),
            lambda text: text[:-1] + b',"z":1}',
            lambda text: b"\xef\xbb\xbf" + text,
            lambda text: text + b"\n",
            lambda text: b"[" * 10_000 + text,
            lambda text: text.replace(b"https", b"http\xff"),
        ],
    )
    async def test_another_spelling_of_a_transcript_is_malformed(self, meeting: Meeting, spoil: object) -> None:
        assert callable(spoil)
        answer = await meeting.answer()
        answer.transcript = spoil(answer.transcript)
        refused = await refusal(meeting.verify(answer))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert set(refused.violations) == {"transcript"}


class TestStatements:
    async def issue(self, meeting: Meeting, caller: Caller | None = None) -> peer_pb2.IssueTrustStatementResponse:
        request = peer_pb2.IssueTrustStatementRequest(did=meeting.peer.did)
        return await meeting.mesh.trust(caller or agent_caller(meeting.peer)).IssueTrustStatement(request)

    async def test_an_agent_has_its_own_and_a_gateway_or_service_any(self, meeting: Meeting) -> None:
        for caller in (agent_caller(meeting.peer), GATEWAY, SERVICE):
            issued = await self.issue(meeting, caller)
            assert issued.expire_time.seconds == meeting.mesh.clock.now() // SECOND + 60
            assert len(issued.statement.split(".")) == 3

    async def test_nobody_has_anothers(self, meeting: Meeting) -> None:
        for caller in (agent_caller(meeting.verifier), OPERATOR, AUDITOR):
            refused = await refusal(self.issue(meeting, caller))
            assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")

    async def test_nothing_is_stated_of_who_is_suspended_or_revoked(self, meeting: Meeting) -> None:
        incident = signal(meeting.mesh, meeting.peer, "incident", trust_pb2.SIGNAL_KIND_INCIDENT_CONFIRMED)
        await record(meeting.mesh, incident)
        refused = await refusal(self.issue(meeting))
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_SUSPENDED")
        await meeting.mesh.identity().Revoke(identity_pb2.RevokeRequest(did=meeting.peer.did, reason="gone"))
        refused = await refusal(self.issue(meeting))
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_REVOKED")

    async def test_an_unknown_or_malformed_did_is_refused(self, meeting: Meeting) -> None:
        stub = meeting.mesh.trust(SERVICE)
        for did, reason in (("", "INVALID_REQUEST"), ("did:web:x", "DID_INVALID")):
            refused = await refusal(stub.IssueTrustStatement(peer_pb2.IssueTrustStatementRequest(did=did)))
            assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", reason)


async def test_a_trusted_peer_is_verified_for_a_minute_only(mesh: IdentityMesh) -> None:
    await mesh.with_sponsors()
    meeting = Meeting(
        mesh=mesh,
        verifier=(await mesh.enrol("buyer", key=seeded_key(1))).identity,
        peer=(await mesh.enrol("seller", key=seeded_key(2), content=replace(COMPLETE, ring_ceiling=1))).identity,
    )
    await raised(meeting, days=20)
    verdict = await meeting.verify(await meeting.answer(score=700, ring=1))
    assert verdict.ring == 1
    assert verdict.expire_time.seconds == mesh.clock.now() // SECOND + 60
