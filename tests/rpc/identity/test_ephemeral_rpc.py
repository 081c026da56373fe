"""Ephemeral agents over the wire: named by their key, for a while, and over without anybody saying so."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, Instant, Millis
from support.identity.evidence import record, signal
from support.identity.keys import seeded_key
from support.identity.mesh import OWNER, STRANGER, IdentityMesh, identity_mesh
from support.identity.resolving import document, methods, resolved
from support.identity.rotations import replacement, rotation
from support.wire import refusal

KEY, OTHER = seeded_key(1), seeded_key(2)
DID = f"did:key:{public_key_of(KEY).multibase}"


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


async def enrol(mesh: IdentityMesh, agent: str = "worker", *, seconds: int = 600, **fields: Any) -> pb.AgentIdentity:
    """Enrol an ephemeral agent for so many seconds."""
    lifetime = Duration(seconds=seconds)
    answer = await mesh.enrol(agent, key=KEY, did_method=pb.DID_METHOD_KEY, lifetime=lifetime, **fields)
    return answer.identity


async def test_it_is_named_by_its_key_and_says_when_it_ends(mesh: IdentityMesh) -> None:
    identity = await enrol(mesh)
    assert identity.did == DID
    assert identity.environment == "prod"
    assert identity.did_version_id == ""
    assert identity.expire_time == Timestamp(seconds=(mesh.clock.now() + 600 * SECOND) // 1_000)
    found = await mesh.identity(OWNER).GetAgentIdentity(pb.GetAgentIdentityRequest(did=DID))
    assert found.identity == identity
    by_name = pb.GetAgentIdentityRequest(agent=identity.agent, environment="prod")
    assert (await mesh.identity(OWNER).GetAgentIdentity(by_name)).identity == identity


async def test_its_environment_is_that_of_its_enrolment_and_no_other(mesh: IdentityMesh) -> None:
    dev = await enrol(mesh, environment="dev")
    claims = jwt.decode((await mesh.token(dev, KEY)).access_token, options={"verify_signature": False})
    assert (claims["iss"], claims["env"], claims["sub"]) == ("https://dev.id.ringfence.internal", "dev", DID)
    prod = pb.AgentIdentity(did=DID, environment="prod")
    assert (await refusal(mesh.token(prod, KEY))).reason == "ASSERTION_INVALID"


async def test_until_it_ends_it_is_like_any_other(mesh: IdentityMesh) -> None:
    identity = await enrol(mesh)
    token = await mesh.token(identity, KEY)
    assert jwt.decode(token.access_token, options={"verify_signature": False})["sub"] == DID
    trust = await mesh.trust().GetTrust(tpb.GetTrustRequest(did=DID))
    assert (trust.trust.score, trust.trust.environment) == (300, "prod")
    suspended = (await mesh.identity(OWNER).Suspend(pb.SuspendRequest(did=DID, reason="a look"))).identity
    assert suspended.status == pb.IDENTITY_STATUS_SUSPENDED
    back = (await mesh.identity(OWNER).Reinstate(pb.ReinstateRequest(did=DID, reason="fine"))).identity
    assert (back.status, back.expire_time) == (pb.IDENTITY_STATUS_ACTIVE, identity.expire_time)
    revoked = (await mesh.identity(OWNER).Revoke(pb.RevokeRequest(did=DID, reason="done"))).identity
    assert revoked.status == pb.IDENTITY_STATUS_REVOKED
    assert (await refusal(mesh.token(identity, KEY))).reason == "AGENT_REVOKED"


async def test_no_token_outlasts_it(mesh: IdentityMesh) -> None:
    identity = await enrol(mesh, seconds=120)
    token = await mesh.token(identity, KEY)
    assert token.expire_time == identity.expire_time
    claims = jwt.decode(token.access_token, options={"verify_signature": False})
    assert claims["exp"] == identity.expire_time.seconds


async def test_once_it_is_over_nothing_works_any_more(mesh: IdentityMesh) -> None:
    identity = await enrol(mesh, seconds=600)
    mesh.clock.advance(Millis(600 * SECOND - 1))
    await mesh.token(identity, KEY)
    mesh.clock.advance(Millis(1))
    refused = await refusal(mesh.token(identity, KEY))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_EXPIRED")
    assert await record(mesh, signal(mesh, identity, "late", tpb.SIGNAL_KIND_TASK_ACCEPTED)) == [
        tpb.SIGNAL_OUTCOME_REFUSED
    ]
    found = (await mesh.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(did=DID))).identity
    assert found == identity


async def test_an_agent_that_is_over_is_not_reinstated(mesh: IdentityMesh) -> None:
    await enrol(mesh, seconds=60)
    await mesh.identity().Suspend(pb.SuspendRequest(did=DID, reason="a look"))
    mesh.clock.advance(MINUTE)
    refused = await refusal(mesh.identity().Reinstate(pb.ReinstateRequest(did=DID, reason="fine")))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_EXPIRED")


async def test_its_word_weighs_nothing_once_it_is_over(mesh: IdentityMesh) -> None:
    await enrol(mesh, seconds=60)
    rated = (await mesh.enrol("rated", key=OTHER)).identity
    mesh.clock.advance(MINUTE)
    outcome = await record(mesh, signal(mesh, rated, "s", tpb.SIGNAL_KIND_TASK_ACCEPTED, rater=DID))
    assert outcome != [tpb.SIGNAL_OUTCOME_APPLIED]


async def test_its_key_is_for_good(mesh: IdentityMesh) -> None:
    identity = await enrol(mesh)
    identity.did_version_id = "1-Qm"
    stub = mesh.identity()
    for call in (
        stub.RotateKey(rotation(identity, KEY, OTHER)),
        stub.ReportCompromise(
            pb.ReportCompromiseRequest(did=DID, reason="lost", replacement=replacement(identity, KEY, OTHER))
        ),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "DID_METHOD_FIXED")


async def test_with_its_key_it_is_lost(mesh: IdentityMesh) -> None:
    await enrol(mesh)
    lost = (await mesh.identity().ReportCompromise(pb.ReportCompromiseRequest(did=DID, reason="lost"))).identity
    assert lost.suspension_cause == pb.SUSPENSION_CAUSE_COMPROMISE
    refused = await refusal(mesh.identity().Reinstate(pb.ReinstateRequest(did=DID, reason="found again")))
    assert refused.reason == "NEW_KEY_REQUIRED"


async def test_its_did_resolves_by_itself(mesh: IdentityMesh) -> None:
    await enrol(mesh)
    answer = await resolved(mesh, DID)
    assert set(methods(document(answer))) == {public_key_of(KEY).multibase}


async def test_its_key_is_used_like_any_other(mesh: IdentityMesh) -> None:
    await enrol(mesh)
    for method in (pb.DID_METHOD_WEBVH, pb.DID_METHOD_KEY):
        refused = await refusal(mesh.enrol("another", key=KEY, environment="dev", did_method=method))
        assert refused.reason == "KEY_ALREADY_USED"


async def test_the_challenge_binds_what_was_asked_for(mesh: IdentityMesh) -> None:
    """Whoever answers it cannot turn an hour into a lifetime, or a name into a key."""
    brief = await mesh.answer("brief", key=KEY, did_method=pb.DID_METHOD_KEY, lifetime=Duration(seconds=60))
    longer = await mesh.begin("brief", did_method=pb.DID_METHOD_KEY, lifetime=Duration(seconds=86_400))
    assert brief.challenge != longer.challenge
    spliced = pb.CompleteRegistrationRequest()
    spliced.CopyFrom(brief)
    spliced.challenge = longer.challenge
    assert (await refusal(mesh.identity().CompleteRegistration(spliced))).reason == "PROOF_INVALID"
    identity = (await mesh.identity().CompleteRegistration(brief)).identity
    assert identity.expire_time.seconds * SECOND == mesh.clock.now() + MINUTE


@pytest.mark.parametrize(
    ("fields", "violation"),
    [
        ({"lifetime": Duration(seconds=600)}, "lifetime"),
        ({"did_method": pb.DID_METHOD_WEBVH, "lifetime": Duration(seconds=600)}, "lifetime"),
        ({"did_method": pb.DID_METHOD_KEY, "lifetime": Duration(seconds=59)}, "lifetime"),
        ({"did_method": pb.DID_METHOD_KEY, "lifetime": Duration(seconds=86_400, nanos=1)}, "lifetime"),
        ({"did_method": pb.DID_METHOD_KEY, "lifetime": Duration(seconds=-600)}, "lifetime"),
        ({"did_method": pb.DID_METHOD_KEY, "lifetime": Duration(seconds=1, nanos=-1)}, "lifetime"),
        ({"did_method": 9}, "did_method"),
    ],
)
async def test_a_lifetime_out_of_bounds_is_named(mesh: IdentityMesh, fields: dict[str, Any], violation: str) -> None:
    refused = await refusal(mesh.begin(**fields))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == {violation}


async def test_without_a_wish_it_lasts_a_day_at_most(mesh: IdentityMesh) -> None:
    identity = (await mesh.enrol(key=KEY, did_method=pb.DID_METHOD_KEY)).identity
    assert identity.expire_time.seconds * SECOND == mesh.clock.now() + DAY


async def test_it_is_still_over_after_a_restart(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        identity = await enrol(mesh, seconds=3_600)
        mesh.clock.advance(HOUR)
    async with identity_mesh(tmp_path, clock=mesh.clock) as again:
        assert (await refusal(again.token(identity, KEY))).reason == "AGENT_EXPIRED"
        assert Instant(identity.expire_time.seconds * SECOND) == again.clock.now()


async def test_strangers_cannot_tell_one_that_is_enrolled_from_one_that_is_not(mesh: IdentityMesh) -> None:
    await enrol(mesh)
    unknown = f"did:key:{public_key_of(OTHER).multibase}"
    for did in (DID, unknown):
        for call in (
            mesh.identity(STRANGER).Revoke(pb.RevokeRequest(did=did, reason="why")),
            mesh.identity(STRANGER).GetAgentIdentity(pb.GetAgentIdentityRequest(did=did)),
        ):
            assert (await refusal(call)).reason == "NOT_PERMITTED"
