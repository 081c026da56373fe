"""Suspension, compromise and the way back over the wire: who may, what ends with it, and what must be mended first."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.clock import HOUR, SECOND, Instant, Millis
from support.identity.evidence import record, signal
from support.identity.keys import seeded_key
from support.identity.mesh import AUDITOR, OWNER, STRANGER, IdentityMesh, identity_mesh
from support.identity.resolving import document, methods, resolved
from support.identity.rotations import replacement, rotation
from support.wire import refusal

OLD, NEW, NEXT = seeded_key(1), seeded_key(2), seeded_key(3)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol(key=OLD)).identity


def multibase(number: int) -> str:
    return public_key_of(seeded_key(number)).multibase


def timestamp(at: Instant) -> Timestamp:
    return Timestamp(seconds=at // 1_000, nanos=at % 1_000 * 1_000_000)


def suspend(identity: pb.AgentIdentity, **fields: Any) -> pb.SuspendRequest:
    return pb.SuspendRequest(**{"did": identity.did, "reason": "looking into it", **fields})


def reinstate(identity: pb.AgentIdentity, **fields: Any) -> pb.ReinstateRequest:
    return pb.ReinstateRequest(**{"did": identity.did, "reason": "all is well", **fields})


def compromise(identity: pb.AgentIdentity, **fields: Any) -> pb.ReportCompromiseRequest:
    return pb.ReportCompromiseRequest(**{"did": identity.did, "reason": "the key was in a backup", **fields})


async def test_a_suspended_agent_gets_no_tokens_and_everyone_is_told(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    mesh.clock.advance(HOUR)
    suspended = (await mesh.identity(OWNER).Suspend(suspend(agent))).identity
    assert suspended.status == pb.IDENTITY_STATUS_SUSPENDED
    assert suspended.suspension_cause == pb.SUSPENSION_CAUSE_OPERATOR
    assert suspended.suspension_reason == "looking into it"
    assert suspended.suspend_time == timestamp(mesh.clock.now())
    assert suspended.revocation_epoch == agent.revocation_epoch + 1
    refused = await refusal(mesh.token(agent, OLD))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_SUSPENDED")
    (told,) = await mesh.standing_revocations("prod")
    assert (told.subject, told.minimum_epoch, told.usable) == (agent.did, suspended.revocation_epoch, False)


async def test_reinstated_it_is_good_again_with_a_new_epoch(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    suspended = (await mesh.identity().Suspend(suspend(agent))).identity
    back = (await mesh.identity(OWNER).Reinstate(reinstate(agent))).identity
    assert back.status == pb.IDENTITY_STATUS_ACTIVE
    assert back.suspension_cause == pb.SUSPENSION_CAUSE_UNSPECIFIED
    assert back.suspension_reason == ""
    assert not back.HasField("suspend_time")
    assert back.revocation_epoch == suspended.revocation_epoch + 1
    assert back.did_version_id == agent.did_version_id
    assert (await mesh.token(back, OLD)).access_token


async def test_what_is_not_there_to_suspend_or_reinstate(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    good = await refusal(mesh.identity().Reinstate(reinstate(agent)))
    assert (good.code, good.reason) == ("FAILED_PRECONDITION", "AGENT_NOT_SUSPENDED")
    await mesh.identity().Suspend(suspend(agent))
    twice = await refusal(mesh.identity().Suspend(suspend(agent)))
    assert (twice.code, twice.reason) == ("FAILED_PRECONDITION", "AGENT_SUSPENDED")
    revoked = (await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="gone"))).identity
    assert revoked.suspension_cause == pb.SUSPENSION_CAUSE_UNSPECIFIED
    stub = mesh.identity()
    calls = (stub.Suspend(suspend(agent)), stub.Reinstate(reinstate(agent)), stub.ReportCompromise(compromise(agent)))
    for call in calls:
        refused = await refusal(call)
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_REVOKED")


async def test_a_stale_etag_changes_nothing(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    suspended = (await mesh.identity().Suspend(suspend(agent, etag=agent.etag))).identity
    stale = await refusal(mesh.identity().Reinstate(reinstate(agent, etag=agent.etag)))
    assert (stale.code, stale.reason) == ("ABORTED", "ETAG_MISMATCH")
    assert stale.metadata["current_etag"] == suspended.etag
    assert (await mesh.identity().Reinstate(reinstate(agent, etag=suspended.etag))).identity.status == (
        pb.IDENTITY_STATUS_ACTIVE
    )


async def test_repeated_requests_get_their_first_answers(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    stub, first, second, third = mesh.identity(), *(str(uuid.uuid4()) for _ in range(3))
    suspended = await stub.Suspend(suspend(agent, request_id=first))
    reinstated = await stub.Reinstate(reinstate(agent, request_id=second))
    reported = await stub.ReportCompromise(compromise(agent, request_id=third))
    assert await stub.Suspend(suspend(agent, request_id=first)) == suspended
    assert await stub.Reinstate(reinstate(agent, request_id=second)) == reinstated
    assert await stub.ReportCompromise(compromise(agent, request_id=third)) == reported


async def test_strangers_learn_nothing_from_any_of_them(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    nobody = "QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"
    unknown = pb.AgentIdentity(did=agent.did.replace(agent.did.split(":")[2], nobody))
    ephemeral = pb.AgentIdentity(did=f"did:key:{multibase(50)}")
    for caller in (STRANGER, AUDITOR):
        stub = mesh.identity(caller)
        for identity in (agent, unknown, ephemeral):
            for call in (
                stub.Suspend(suspend(identity)),
                stub.Reinstate(reinstate(identity)),
                stub.ReportCompromise(compromise(identity)),
                stub.Revoke(pb.RevokeRequest(did=identity.did, reason="why not")),
            ):
                refused = await refusal(call)
                assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    for identity in (unknown, ephemeral):
        missing = await refusal(mesh.identity().Suspend(suspend(identity)))
        assert (missing.code, missing.reason) == ("NOT_FOUND", "AGENT_NOT_FOUND")


async def test_a_lost_key_is_void_in_tokens_and_in_the_document_and_the_agent_rests(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    mesh.clock.advance(HOUR)
    since = Instant(mesh.clock.now() - 10 * SECOND)
    answer = await mesh.identity(OWNER).ReportCompromise(compromise(agent, compromised_since=timestamp(since)))
    assert answer.delegations_revoked == 0
    assert answer.identity.status == pb.IDENTITY_STATUS_SUSPENDED
    assert answer.identity.suspension_cause == pb.SUSPENSION_CAUSE_COMPROMISE
    assert answer.identity.revocation_epoch == agent.revocation_epoch + 1
    assert answer.identity.did_version_id.startswith("2-")
    assert (await refusal(mesh.token(agent, OLD))).reason == "AGENT_SUSPENDED"
    found = document(await resolved(mesh, agent.did))
    assert methods(found)[multibase(1)]["compromisedSince"] == timestamp(since).ToJsonString()
    assert methods(found)[multibase(1)]["revoked"] == timestamp(since).ToJsonString()
    assert not found.keys() & {"authentication", "assertionMethod", "capabilityDelegation"}


async def test_with_another_key_the_agent_goes_on(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    report = compromise(agent, replacement=replacement(agent, OLD, NEW))
    after = (await mesh.identity().ReportCompromise(report)).identity
    assert (after.status, after.public_key_multibase) == (pb.IDENTITY_STATUS_ACTIVE, multibase(2))
    assert (await mesh.token(after, NEW)).access_token
    assert (await refusal(mesh.token(after, OLD))).reason == "ASSERTION_INVALID"
    found = document(await resolved(mesh, agent.did))
    assert set(methods(found)) == {multibase(1), multibase(2)}
    live = f"{agent.did}#{public_key_of(NEW).thumbprint}"
    assert found["authentication"] == found["assertionMethod"] == found["capabilityDelegation"] == [live]
    assert "compromisedSince" not in methods(found)[multibase(2)]


async def test_a_lost_key_stays_known_as_lost_through_later_rotations(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    report = compromise(agent, replacement=replacement(agent, OLD, NEW))
    second = (await mesh.identity().ReportCompromise(report)).identity
    await mesh.identity().RotateKey(rotation(second, NEW, NEXT))
    found = methods(document(await resolved(mesh, agent.did)))
    assert set(found) == {multibase(1), multibase(3)}
    assert "compromisedSince" in found[multibase(1)]


@pytest.mark.parametrize(
    ("said", "counts"),
    [(None, 0), (-HOUR, 0), (0, 0), (1_999, 1_000), (HOUR // 2, HOUR // 2), (HOUR, HOUR)],
)
async def test_since_when_is_never_before_the_key_nor_rounded_up(
    mesh: IdentityMesh, agent: pb.AgentIdentity, said: int | None, counts: int
) -> None:
    born = mesh.clock.now()
    mesh.clock.advance(HOUR)
    fields: dict[str, Any] = {} if said is None else {"compromised_since": timestamp(Instant(born + said))}
    await mesh.identity().ReportCompromise(compromise(agent, **fields))
    found = methods(document(await resolved(mesh, agent.did)))
    assert found[multibase(1)]["compromisedSince"] == timestamp(Instant(born + counts)).ToJsonString()


async def test_the_future_is_no_time_to_have_lost_a_key(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    ahead = compromise(agent, compromised_since=timestamp(Instant(mesh.clock.now() + 1)))
    refused = await refusal(mesh.identity().ReportCompromise(ahead))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == {"compromised_since"}


async def test_a_second_report_can_only_make_it_earlier(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    born = mesh.clock.now()
    mesh.clock.advance(HOUR)
    for said, counts in ((30, 30), (50, 30), (20, 20)):
        since = timestamp(Instant(born + said * SECOND))
        await mesh.identity().ReportCompromise(compromise(agent, compromised_since=since))
        mesh.clock.advance(Millis(10 * SECOND))
        found = methods(document(await resolved(mesh, agent.did)))
        assert found[multibase(1)]["compromisedSince"] == timestamp(Instant(born + counts * SECOND)).ToJsonString()


async def test_back_from_a_compromise_takes_the_platform_and_another_key(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    lost = (await mesh.identity(OWNER).ReportCompromise(compromise(agent))).identity
    with_key = reinstate(lost, replacement=replacement(lost, OLD, NEW))
    owner = await refusal(mesh.identity(OWNER).Reinstate(with_key))
    assert (owner.code, owner.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    assert owner.metadata["needed"] == "platform-admin"
    without = await refusal(mesh.identity().Reinstate(reinstate(lost)))
    assert (without.code, without.reason) == ("FAILED_PRECONDITION", "NEW_KEY_REQUIRED")
    same = await refusal(mesh.identity().Reinstate(reinstate(lost, replacement=replacement(lost, OLD, OLD))))
    assert same.reason == "KEY_ALREADY_USED"
    back = (await mesh.identity().Reinstate(with_key)).identity
    assert (back.status, back.public_key_multibase) == (pb.IDENTITY_STATUS_ACTIVE, multibase(2))
    assert (await mesh.token(back, NEW)).access_token


async def test_a_confirmed_incident_suspends_and_only_the_platform_lifts_it(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    await record(mesh, signal(mesh, agent, "incident-7", tpb.SIGNAL_KIND_INCIDENT_CONFIRMED))
    found = (await mesh.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(did=agent.did))).identity
    assert (found.status, found.suspension_cause) == (pb.IDENTITY_STATUS_SUSPENDED, pb.SUSPENSION_CAUSE_INCIDENT)
    assert "incident-7" in found.suspension_reason
    (told,) = await mesh.standing_revocations("prod")
    assert (told.subject, told.minimum_epoch, told.usable) == (agent.did, found.revocation_epoch, False)
    owner = await refusal(mesh.identity(OWNER).Reinstate(reinstate(agent)))
    assert owner.reason == "NOT_PERMITTED"
    assert (await mesh.identity().Reinstate(reinstate(agent))).identity.status == pb.IDENTITY_STATUS_ACTIVE


async def test_a_report_ends_no_suspension(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """Or else the owner of an agent could end what only the platform may, by losing a key."""
    await record(mesh, signal(mesh, agent, "i", tpb.SIGNAL_KIND_INCIDENT_CONFIRMED))
    report = compromise(agent, replacement=replacement(agent, OLD, NEW))
    after = (await mesh.identity(OWNER).ReportCompromise(report)).identity
    assert (after.status, after.suspension_cause) == (pb.IDENTITY_STATUS_SUSPENDED, pb.SUSPENSION_CAUSE_INCIDENT)
    assert after.public_key_multibase == multibase(2)
    back = (await mesh.identity().Reinstate(reinstate(agent))).identity
    assert back.status == pb.IDENTITY_STATUS_ACTIVE


async def test_an_incident_does_not_hide_that_the_key_is_lost(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await mesh.identity().ReportCompromise(compromise(agent))
    await record(mesh, signal(mesh, agent, "i", tpb.SIGNAL_KIND_INCIDENT_CONFIRMED))
    assert (await refusal(mesh.identity().Reinstate(reinstate(agent)))).reason == "NEW_KEY_REQUIRED"


async def test_a_sound_key_is_not_replaced_in_passing(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """Only a reported key is replaced without its own consent, and then the log says so."""
    await mesh.identity().Suspend(suspend(agent))
    refused = await refusal(mesh.identity().Reinstate(reinstate(agent, replacement=replacement(agent, OLD, NEW))))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == {"replacement"}


async def test_nobody_is_reinstated_without_somebody_to_answer(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    gone = pb.OffboardSponsorRequest(name="sponsors/ada", reason="left the company", policy=pb.OFFBOARD_POLICY_SUSPEND)
    await mesh.identity().OffboardSponsor(gone)
    refused = await refusal(mesh.identity().Reinstate(reinstate(agent)))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "SPONSOR_OFFBOARDED")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"public_key": b""}, "replacement.public_key"),
        ({"nonce": b"short"}, "replacement.nonce"),
        ({"did_version_id": ""}, "replacement.did_version_id"),
        ({"proof": b"p"}, "replacement.proof"),
    ],
)
async def test_a_malformed_replacement_is_named_by_its_path(
    mesh: IdentityMesh, agent: pb.AgentIdentity, fields: dict[str, Any], field: str
) -> None:
    spoiled = replacement(agent, OLD, NEW, **fields)
    stub = mesh.identity()
    for call in (
        stub.ReportCompromise(compromise(agent, replacement=spoiled)),
        stub.Reinstate(reinstate(agent, replacement=spoiled)),
    ):
        refused = await refusal(call)
        assert (refused.reason, set(refused.violations)) == ("INVALID_REQUEST", {field})


async def test_a_replacement_signed_over_an_older_version_is_told_the_newer_one(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    second = (await mesh.identity().RotateKey(rotation(agent, OLD, NEW))).identity
    stale = compromise(agent, replacement=replacement(agent, OLD, NEXT))
    refused = await refusal(mesh.identity().ReportCompromise(stale))
    assert (refused.code, refused.reason) == ("ABORTED", "DID_VERSION_MISMATCH")
    assert refused.metadata["current_version"] == second.did_version_id
