"""Ring 0 over the wire: who gets it, from whom, for how long, and how it is lost."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, HOUR, MINUTE, Millis
from ringfence_kit.server_config import IssuerConfig
from support.identity.births import COMPLETE
from support.identity.evidence import STRONG, climb, record, signal, trust_of
from support.identity.keys import seeded_key
from support.identity.mesh import AUDITOR, GATEWAY, OWNER, IdentityMesh, identity_mesh
from support.serving import SERVICE
from support.wire import read_refusal, refusal

APPROVER = Caller(principal="test:paul", roles=frozenset({Role.APPROVER}))
ADA = Caller(principal="test:00u1", roles=frozenset({Role.APPROVER}))
IDP = IssuerConfig(name="test", issuer="https://idp.example.com", audience="mesh", jwks_file=Path("unused"), roles={})
DENIED = tpb.SIGNAL_KIND_ACTION_DENIED
REJECTED = tpb.SIGNAL_KIND_TASK_REJECTED

STRANGE_SCID = "QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"

EARNED = 26
"""Days of the best possible conduct after which ring 0 is earned."""


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path, config=STRONG, issuers=(IDP,)) as running:
        person = pb.Sponsor(display_name="Ada", contact="ada@example.com", oidc_issuer=IDP.issuer, oidc_subject="00u1")
        await running.identity().RegisterSponsor(pb.RegisterSponsorRequest(sponsor_id="ada", sponsor=person))
        await running.with_sponsors("grace")
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    """Return an agent that has earned ring 0, a moment ago."""
    identity = (await mesh.enrol()).identity
    await climb(mesh, identity, days=EARNED)
    return identity


def wanted(mesh: IdentityMesh, agent: pb.AgentIdentity, *, lasts: int = DAY, **changes: Any) -> tpb.GrantRingRequest:
    until = Timestamp()
    until.FromMilliseconds(mesh.clock.now() + lasts)
    said = {"did": agent.did, "expire_time": until, "reason": "a month without a fault.", **changes}
    return tpb.GrantRingRequest(**said)


async def grant(mesh: IdentityMesh, agent: pb.AgentIdentity, *, lasts: int = DAY) -> tpb.Trust:
    return (await mesh.trust(APPROVER).GrantRing(wanted(mesh, agent, lasts=lasts))).trust


async def ring_of(mesh: IdentityMesh, agent: pb.AgentIdentity) -> int:
    return (await trust_of(mesh, agent)).ring


async def test_a_person_puts_an_agent_into_ring_0_for_a_time(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    before = await trust_of(mesh, agent)
    assert (before.ring, before.score >= 925) == (1, True)
    after = await grant(mesh, agent, lasts=3 * HOUR)
    assert (after.ring, after.score) == (0, before.score)
    assert after.state.stored_ring == 0
    assert after.state.ring_zero_until_time.ToMilliseconds() == mesh.clock.now() + 3 * HOUR
    assert after.state.promote_time.ToMilliseconds() == mesh.clock.now()
    mesh.clock.advance(Millis(3 * HOUR - 1))
    assert await ring_of(mesh, agent) == 0
    mesh.clock.advance(Millis(1))
    assert await ring_of(mesh, agent) == 1


async def test_ring_0_survives_good_work_and_is_told_to_watchers(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    stream = mesh.watch(send_initial_state=True)
    assert (await anext(stream)).identity.did == agent.did
    assert (await anext(stream)).initial_state_end
    await grant(mesh, agent)
    event = await anext(stream)
    assert event.identity.trust_state.stored_ring == 0
    await stream.aclose()
    await record(mesh, signal(mesh, agent, "good", tpb.SIGNAL_KIND_TASK_ACCEPTED))
    assert await ring_of(mesh, agent) == 0


async def test_what_is_missing_is_all_named_at_once(mesh: IdentityMesh) -> None:
    newcomer = (await mesh.enrol(content=replace(COMPLETE, ring_ceiling=2))).identity
    await record(mesh, signal(mesh, newcomer, "s", DENIED))
    refused = await refusal(mesh.trust().GrantRing(wanted(mesh, newcomer)))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "RING_NOT_EARNED")
    assert refused.metadata["unmet"] == (
        "ring 1 at present; a score of 925 or more; 7 days since the last penalty; "
        "a birth certificate whose ring ceiling is 1"
    )


async def test_a_day_must_pass_since_the_last_promotion(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await grant(mesh, agent, lasts=HOUR)
    mesh.clock.advance(Millis(2 * HOUR))
    refused = await refusal(mesh.trust().GrantRing(wanted(mesh, agent)))
    assert refused.metadata["unmet"] == "24 hours since the last promotion"
    await climb(mesh, agent, days=1)
    assert (await mesh.trust().GrantRing(wanted(mesh, agent))).trust.ring == 0


async def test_who_is_in_ring_0_gets_no_second_grant(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await grant(mesh, agent, lasts=30 * DAY)
    refused = await refusal(mesh.trust().GrantRing(wanted(mesh, agent)))
    assert refused.reason == "RING_NOT_EARNED"
    assert "ring 1 at present" in refused.metadata["unmet"]


@pytest.mark.parametrize("lasts", [-1, 0, 30 * DAY + 1])
async def test_a_grant_ends_in_the_future_and_within_30_days(
    mesh: IdentityMesh, agent: pb.AgentIdentity, lasts: int
) -> None:
    refused = await refusal(mesh.trust().GrantRing(wanted(mesh, agent, lasts=lasts)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert "expire_time" in refused.violations


async def test_a_penalty_our_services_observed_ends_the_grant_for_good(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    await grant(mesh, agent, lasts=30 * DAY)
    await record(mesh, signal(mesh, agent, "denied", DENIED))
    after = await trust_of(mesh, agent)
    assert after.score >= 900
    assert (after.ring, after.state.HasField("ring_zero_until_time")) == (1, False)
    mesh.clock.advance(Millis(HOUR))
    await record(mesh, signal(mesh, agent, "good", tpb.SIGNAL_KIND_EVALUATION_PASSED))
    assert await ring_of(mesh, agent) == 1


async def test_one_complaint_of_a_peer_does_not_end_the_grant_and_its_fall_below_900_does(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    await grant(mesh, agent, lasts=30 * DAY)
    await record(mesh, signal(mesh, agent, "c-0", REJECTED, rater="person:0"))
    assert await ring_of(mesh, agent) == 0
    number = 0
    while (await trust_of(mesh, agent)).score >= 900:
        number += 1
        await record(mesh, signal(mesh, agent, f"c-{number}", REJECTED, rater=f"person:{number}"))
    assert await ring_of(mesh, agent) == 1
    await climb(mesh, agent, days=3)
    assert (await trust_of(mesh, agent)).score >= 900
    assert await ring_of(mesh, agent) == 1


async def test_a_score_that_fades_below_900_ends_the_grant_for_good(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    await grant(mesh, agent, lasts=30 * DAY)
    mesh.clock.advance(Millis(5 * DAY))
    assert await ring_of(mesh, agent) == 1
    await climb(mesh, agent, days=10)
    after = await trust_of(mesh, agent)
    assert after.score >= 900
    assert after.ring == 1


async def test_a_suspension_ends_the_grant_for_good(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await grant(mesh, agent, lasts=30 * DAY)
    await mesh.identity().Suspend(pb.SuspendRequest(did=agent.did, reason="looking into it"))
    assert await ring_of(mesh, agent) == 1
    refused = await refusal(mesh.trust().GrantRing(wanted(mesh, agent)))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_SUSPENDED")
    await mesh.identity().Reinstate(pb.ReinstateRequest(did=agent.did, reason="nothing found"))
    assert await ring_of(mesh, agent) == 1


async def test_a_confirmed_incident_ends_everything(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await grant(mesh, agent, lasts=30 * DAY)
    await record(mesh, signal(mesh, agent, "incident", tpb.SIGNAL_KIND_INCIDENT_CONFIRMED))
    after = await trust_of(mesh, agent)
    assert after.ring == 2
    assert not after.state.HasField("ring_zero_until_time")


async def test_tokens_say_the_ring_of_the_moment(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await grant(mesh, agent)
    issued = await mesh.token(agent)
    lives = issued.expire_time.ToMilliseconds() - mesh.clock.now()
    assert lives <= MINUTE


async def test_revoked_and_unknown_agents_get_nothing(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="gone"))
    refused = await refusal(mesh.trust().GrantRing(wanted(mesh, agent)))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_REVOKED")
    nobody = pb.AgentIdentity(did=agent.did.replace(agent.did.split(":")[2], STRANGE_SCID))
    refused = await refusal(mesh.trust().GrantRing(wanted(mesh, nobody)))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "AGENT_NOT_FOUND")
    refused = await refusal(mesh.trust().GrantRing(wanted(mesh, pb.AgentIdentity(did="did:web:elsewhere.example"))))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "DID_INVALID")


@pytest.mark.parametrize("caller", [OWNER, AUDITOR, GATEWAY, SERVICE], ids=lambda caller: caller.principal)
async def test_only_platform_and_approvers_grant(mesh: IdentityMesh, agent: pb.AgentIdentity, caller: Caller) -> None:
    refused = await refusal(mesh.trust(caller).GrantRing(wanted(mesh, agent)))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_nobody_grants_ring_0_to_an_agent_they_answer_for(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """Ada comes with a token of her identity provider; the agent's sponsor is the same account there."""
    refused = await refusal(mesh.trust(ADA).GrantRing(wanted(mesh, agent)))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    assert "answers for it" in refused.message
    assert await ring_of(mesh, agent) == 1


async def test_a_decision_on_what_has_changed_since_is_refused(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    found = await mesh.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(did=agent.did))
    await record(mesh, signal(mesh, agent, "meanwhile", tpb.SIGNAL_KIND_TASK_ACCEPTED))
    refused = await refusal(mesh.trust().GrantRing(wanted(mesh, agent, etag=found.identity.etag)))
    assert (refused.code, refused.reason) == ("ABORTED", "ETAG_MISMATCH")
    found = await mesh.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(did=agent.did))
    answer = await mesh.trust().GrantRing(wanted(mesh, agent, etag=found.identity.etag))
    assert answer.trust.ring == 0


async def test_a_repeated_request_gets_its_first_answer_also_after_the_grant_has_ended(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    request = wanted(mesh, agent, lasts=HOUR, request_id=str(uuid.uuid4()))
    first = await mesh.trust().GrantRing(request)
    mesh.clock.advance(Millis(2 * HOUR))
    assert await mesh.trust().GrantRing(request) == first
    assert await ring_of(mesh, agent) == 1
    refused = await refusal(mesh.trust(APPROVER).GrantRing(request))
    assert refused.reason == "REQUEST_ID_REUSED"


async def test_who_granted_it_is_kept_over_a_restart(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path, config=STRONG) as mesh:
        await mesh.with_sponsors()
        agent = (await mesh.enrol()).identity
        other = (await mesh.enrol("other", key=seeded_key(2))).identity
        await climb(mesh, agent, days=EARNED)
        await grant(mesh, agent, lasts=30 * DAY)
        clock = mesh.clock
    async with identity_mesh(tmp_path, config=STRONG, clock=clock) as mesh:
        explained = await mesh.trust().ExplainTrust(tpb.ExplainTrustRequest(did=agent.did))
        assert explained.trust.ring == 0
        assert "Ring 0 was granted by test:paul until" in explained.summary
        assert (await trust_of(mesh, other)).ring == 3


async def test_of_two_decisions_on_the_same_version_one_counts(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    found = await mesh.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(did=agent.did))
    request = wanted(mesh, agent, etag=found.identity.etag)

    async def attempt() -> str:
        try:
            await mesh.trust().GrantRing(request)
        except grpc.aio.AioRpcError as error:
            return read_refusal(error).reason
        return "granted"

    outcomes = await asyncio.gather(*(attempt() for _ in range(5)))
    assert sorted(outcomes) == ["ETAG_MISMATCH"] * 4 + ["granted"]
