"""Elevation over the wire: granted by a person, checked by anybody, revoked for everybody."""

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import revocation_pb2 as rpb
from ringfence.identity.v1 import transparency_pb2 as lpb
from ringfence.identity.v1 import transparency_pb2_grpc
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence.proofs.elevation import ElevationGrant, ElevationRefused, check_elevation
from ringfence.proofs.public_keys import from_multibase
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, HOUR, Instant, Millis
from ringfence_kit.server_config import IssuerConfig
from support.identity.mesh import AUDITOR, GATEWAY, OWNER, IdentityMesh, identity_mesh
from support.serving import SERVICE
from support.wire import refusal

APPROVER = Caller(principal="test:paul", roles=frozenset({Role.APPROVER}))
ADA = Caller(principal="test:00u1", roles=frozenset({Role.APPROVER}))
IDP = IssuerConfig(name="test", issuer="https://idp.example.com", audience="mesh", jwks_file=Path("unused"), roles={})
STRANGE_SCID = "QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path, issuers=(IDP,)) as running:
        person = pb.Sponsor(display_name="Ada", contact="ada@example.com", oidc_issuer=IDP.issuer, oidc_subject="00u1")
        await running.identity().RegisterSponsor(pb.RegisterSponsorRequest(sponsor_id="ada", sponsor=person))
        await running.with_sponsors("grace")
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol()).identity


def wanted(
    mesh: IdentityMesh, agent: pb.AgentIdentity, *, lasts: int = HOUR, request_id: str = "", **changes: Any
) -> tpb.GrantElevationRequest:
    until = Timestamp()
    until.FromMilliseconds(mesh.clock.now() + lasts)
    said = {
        "origin": agent.did,
        "action": "transfer",
        "resource": "ledger.post",
        "ring": 1,
        "approvals": 2,
        "expire_time": until,
        "reason": "month's end",
        **changes,
    }
    return tpb.GrantElevationRequest(elevation=tpb.Elevation(**said), request_id=request_id)


async def checked(mesh: IdentityMesh, grant: str, environment: str = "prod") -> ElevationGrant:
    """Check a grant as a stranger would: by the registrar's DID document, over HTTP, and nothing else."""
    document = json.loads(await mesh.get(f"/{environment}/.well-known/did.json"))
    registrar = document["alsoKnownAs"][0] if document["id"].startswith("did:web:") else document["id"]
    key = from_multibase(document["verificationMethod"][0]["publicKeyMultibase"])
    return check_elevation(grant, issuer=registrar, key=key, now=mesh.clock.now())


async def test_a_grant_is_checked_with_nothing_but_the_registrars_document(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    answer = await mesh.trust(APPROVER).GrantElevation(wanted(mesh, agent))
    elevation = answer.elevation
    assert (elevation.origin, elevation.environment, elevation.granted_by) == (agent.did, "prod", "test:paul")
    assert not elevation.HasField("revoke_time")
    grant = await checked(mesh, answer.grant)
    assert (grant.name, grant.origin, grant.ring, grant.approvals) == (elevation.name, agent.did, 1, 2)
    assert grant.covers(origin=agent.did, environment="prod", action="transfer", resource="ledger.post")
    assert grant.expires_at == mesh.clock.now() + HOUR
    mesh.clock.advance(Millis(HOUR))
    with pytest.raises(ElevationRefused, match="expired"):
        await checked(mesh, answer.grant)


async def test_a_grant_of_one_environment_is_none_in_another(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    answer = await mesh.trust().GrantElevation(wanted(mesh, agent))
    with pytest.raises(ElevationRefused):
        await checked(mesh, answer.grant, environment="dev")


async def test_it_ends_on_a_whole_second_and_says_the_same_everywhere(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    mesh.clock.advance(Millis(250))
    answer = await mesh.trust().GrantElevation(wanted(mesh, agent, lasts=DAY))
    expires_at = answer.elevation.expire_time.ToMilliseconds()
    assert expires_at % 1_000 == 0
    assert (await checked(mesh, answer.grant)).expires_at == expires_at


@pytest.mark.parametrize("lasts", [-HOUR, 0, 999, DAY + 1_000])
async def test_a_grant_ends_in_the_future_and_within_a_day(
    mesh: IdentityMesh, agent: pb.AgentIdentity, lasts: int
) -> None:
    refused = await refusal(mesh.trust().GrantElevation(wanted(mesh, agent, lasts=lasts)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert "elevation.expire_time" in refused.violations


async def test_what_only_the_server_sets_is_not_taken_from_the_caller(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    asked = wanted(mesh, agent, name="elevations/mine", environment="dev", granted_by="the board")
    answer = await mesh.trust(APPROVER).GrantElevation(asked)
    assert answer.elevation.name != "elevations/mine"
    assert (answer.elevation.environment, answer.elevation.granted_by) == ("prod", "test:paul")


async def test_its_end_is_told_to_those_who_watch_revocations_and_may_be_forgotten_with_it(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    granted = (await mesh.trust().GrantElevation(wanted(mesh, agent))).elevation
    stub = mesh.identity(SERVICE)
    stream: Any = stub.WatchRevocations(rpb.WatchRevocationsRequest(environment="prod", send_initial_state=True))
    complete = await stream.read()
    assert complete.initial_state_end
    mesh.clock.advance(Millis(1_000))
    revoked = await mesh.trust().RevokeElevation(tpb.RevokeElevationRequest(name=granted.name, reason="books closed"))
    assert revoked.elevation.revoke_time.ToMilliseconds() == mesh.clock.now()
    event = await stream.read()
    while event.type == rpb.REVOCATION_EVENT_TYPE_BOOKMARK:
        event = await stream.read()
    told = event.revocation
    assert (told.kind, told.subject, told.environment) == (rpb.REVOCATION_KIND_ELEVATION, granted.name, "prod")
    assert (told.reason, told.forget_time) == ("books closed", granted.expire_time)
    stream.cancel()
    resumed: Any = stub.WatchRevocations(
        rpb.WatchRevocationsRequest(environment="prod", start_revision=complete.revision + 1)
    )
    assert (await resumed.read()).revocation == told
    resumed.cancel()


async def test_revoking_what_is_revoked_changes_nothing(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    granted = (await mesh.trust().GrantElevation(wanted(mesh, agent))).elevation
    first = await mesh.trust().RevokeElevation(tpb.RevokeElevationRequest(name=granted.name, reason="done"))
    mesh.clock.advance(Millis(1_000))
    second = await mesh.trust().RevokeElevation(tpb.RevokeElevationRequest(name=granted.name, reason="again"))
    assert second == first


async def test_what_was_never_granted_cannot_be_revoked(mesh: IdentityMesh) -> None:
    refused = await refusal(
        mesh.trust().RevokeElevation(tpb.RevokeElevationRequest(name="elevations/none", reason="done"))
    )
    assert (refused.code, refused.reason) == ("NOT_FOUND", "ELEVATION_NOT_FOUND")
    assert refused.metadata == {"elevation": "elevations/none"}


async def test_a_repeated_request_gets_the_same_grant(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    request = wanted(mesh, agent, request_id=str(uuid.uuid4()))
    first = await mesh.trust().GrantElevation(request)
    mesh.clock.advance(Millis(2 * HOUR))
    assert await mesh.trust().GrantElevation(request) == first
    other = wanted(mesh, agent, request_id=request.request_id, ring=0)
    refused = await refusal(mesh.trust().GrantElevation(other))
    assert refused.reason == "REQUEST_ID_REUSED"
    again = await mesh.trust().GrantElevation(wanted(mesh, agent))
    assert again.elevation.name != first.elevation.name


async def test_agents_that_may_not_act_are_not_elevated(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await mesh.identity().Suspend(pb.SuspendRequest(did=agent.did, reason="looking into it"))
    refused = await refusal(mesh.trust().GrantElevation(wanted(mesh, agent)))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_SUSPENDED")
    await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="gone"))
    refused = await refusal(mesh.trust().GrantElevation(wanted(mesh, agent)))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_REVOKED")
    nobody = pb.AgentIdentity(did=agent.did.replace(agent.did.split(":")[2], STRANGE_SCID))
    refused = await refusal(mesh.trust().GrantElevation(wanted(mesh, nobody)))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "AGENT_NOT_FOUND")


@pytest.mark.parametrize("caller", [OWNER, AUDITOR, GATEWAY, SERVICE], ids=lambda one: one.principal)
async def test_only_platform_and_approvers_grant_and_revoke(
    mesh: IdentityMesh, agent: pb.AgentIdentity, caller: Caller
) -> None:
    granted = (await mesh.trust().GrantElevation(wanted(mesh, agent))).elevation
    refused = await refusal(mesh.trust(caller).GrantElevation(wanted(mesh, agent)))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    refused = await refusal(
        mesh.trust(caller).RevokeElevation(tpb.RevokeElevationRequest(name=granted.name, reason="done"))
    )
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_nobody_elevates_an_agent_they_answer_for(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    refused = await refusal(mesh.trust(ADA).GrantElevation(wanted(mesh, agent)))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    assert "answers for it" in refused.message


async def test_an_elevation_betters_no_ring_by_itself(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """It is an input to a policy: the agent's own ring, in trust and in tokens, stays what it is."""
    await mesh.trust().GrantElevation(wanted(mesh, agent, ring=0))
    assert (await mesh.trust().GetTrust(tpb.GetTrustRequest(did=agent.did))).trust.ring == 3


async def test_a_grant_and_its_end_survive_a_restart(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        agent = (await mesh.enrol()).identity
        answer = await mesh.trust().GrantElevation(wanted(mesh, agent))
        clock = mesh.clock
    async with identity_mesh(tmp_path, clock=clock) as mesh:
        assert (await checked(mesh, answer.grant)).name == answer.elevation.name
        ended = await mesh.trust().RevokeElevation(
            tpb.RevokeElevationRequest(name=answer.elevation.name, reason="done")
        )
        assert Instant(ended.elevation.revoke_time.ToMilliseconds()) == clock.now()


async def test_a_grant_and_its_end_stand_in_the_log_without_what_they_say(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    granted = (await mesh.trust(APPROVER).GrantElevation(wanted(mesh, agent))).elevation
    await mesh.trust(APPROVER).RevokeElevation(tpb.RevokeElevationRequest(name=granted.name, reason="books closed"))
    log = transparency_pb2_grpc.TransparencyServiceStub(mesh.channel())
    answer = await log.ListLogEntries(lpb.ListLogEntriesRequest(subject=granted.name))
    said = [json.loads(entry.body) for entry in answer.entries]
    assert [(entry["kind"], entry["change"]) for entry in said] == [
        ("elevation", "added"),
        ("elevation", "modified"),
        ("revocation", "added"),
    ]
    assert {(entry["environment"], entry["actor"].split(":")[0]) for entry in said} == {("prod", "person")}
    assert "ledger.post" not in str(answer)
