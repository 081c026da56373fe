"""Rotation over the wire: both keys sign, one transaction changes everything, and of two at once one wins."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import SECOND, Millis
from support.identity.keys import seeded_key
from support.identity.mesh import IdentityMesh, identity_mesh
from support.identity.rotations import rotation
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


async def test_a_key_is_replaced_by_whoever_holds_both(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    mesh.clock.advance(Millis(90 * SECOND))
    rotated = (await mesh.identity(ANONYMOUS).RotateKey(rotation(agent, OLD, NEW))).identity
    assert rotated.public_key_multibase == public_key_of(NEW).multibase
    assert rotated.did == agent.did
    assert rotated.did_version_id.startswith("2-")
    assert rotated.revocation_epoch == agent.revocation_epoch + 1
    assert rotated.status == pb.IDENTITY_STATUS_ACTIVE
    assert rotated.etag != agent.etag
    found = await mesh.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(did=agent.did))
    assert found.identity == rotated


async def test_tokens_follow_the_new_key_and_the_new_epoch(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await mesh.token(agent, OLD)
    rotated = (await mesh.identity().RotateKey(rotation(agent, OLD, NEW))).identity
    assert (await mesh.token(rotated, NEW)).access_token
    refused = await refusal(mesh.token(rotated, OLD))
    assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "ASSERTION_INVALID")


async def test_watchers_of_agents_and_of_revocations_are_told(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    agents = mesh.watch(send_initial_state=True)
    assert (await anext(agents)).identity == agent
    assert (await anext(agents)).initial_state_end
    rotated = (await mesh.identity().RotateKey(rotation(agent, OLD, NEW))).identity
    assert (await anext(agents)).identity == rotated
    (told,) = await mesh.standing_revocations("prod")
    assert (told.subject, told.minimum_epoch, told.usable) == (agent.did, rotated.revocation_epoch, True)
    await agents.aclose()


async def test_a_chain_of_rotations_goes_on_from_each_other(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    second = (await mesh.identity().RotateKey(rotation(agent, OLD, NEW))).identity
    third = (await mesh.identity().RotateKey(rotation(second, NEW, NEXT))).identity
    assert third.did_version_id.startswith("3-")
    assert (await mesh.token(third, NEXT)).access_token


async def test_of_two_rotations_at_once_one_wins_and_the_other_signs_again(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    stub = mesh.identity()
    requests = [rotation(agent, OLD, seeded_key(number)) for number in range(10, 18)]
    answers = await asyncio.gather(*(stub.RotateKey(request) for request in requests), return_exceptions=True)
    (winner,) = (answer.identity for answer in answers if isinstance(answer, pb.RotateKeyResponse))
    refused = await refusal(stub.RotateKey(requests[0]))
    assert (refused.code, refused.reason) == ("ABORTED", "DID_VERSION_MISMATCH")
    assert refused.metadata["current_version"] == winner.did_version_id
    keys = {public_key_of(seeded_key(number)).multibase: seeded_key(number) for number in range(10, 18)}
    again = rotation(winner, keys[winner.public_key_multibase], NEXT)
    assert (await stub.RotateKey(again)).identity.did_version_id.startswith("3-")


async def test_a_repeated_request_gets_its_first_answer_and_rotates_once(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    request = rotation(agent, OLD, NEW, request_id=str(uuid.uuid4()))
    first = await mesh.identity(ANONYMOUS).RotateKey(request)
    assert await mesh.identity(ANONYMOUS).RotateKey(request) == first
    other = rotation(agent, OLD, NEXT, request_id=request.request_id)
    reused = await refusal(mesh.identity(ANONYMOUS).RotateKey(other))
    assert (reused.code, reused.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")


@pytest.mark.parametrize("field", ["old_key_proof", "new_key_proof"])
async def test_one_signature_is_not_enough(mesh: IdentityMesh, agent: pb.AgentIdentity, field: str) -> None:
    sound = rotation(agent, OLD, NEW)
    other = {"old_key_proof": sound.new_key_proof, "new_key_proof": sound.old_key_proof}[field]
    refused = await refusal(mesh.identity().RotateKey(rotation(agent, OLD, NEW, **{field: other})))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PROOF_INVALID")
    assert field in refused.violations


async def test_a_key_that_was_ever_used_is_not_taken(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    other = (await mesh.enrol("other", key=NEXT)).identity
    for key in (OLD, NEXT):
        refused = await refusal(mesh.identity().RotateKey(rotation(agent, OLD, key)))
        assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "KEY_ALREADY_USED")
    await mesh.identity().RotateKey(rotation(agent, OLD, NEW))
    again = await refusal(mesh.identity().RotateKey(rotation(other, NEXT, OLD)))
    assert again.reason == "KEY_ALREADY_USED"
    anew = await refusal(mesh.enrol("third", key=OLD))
    assert anew.reason == "KEY_ALREADY_USED"


async def test_who_is_not_in_good_standing_does_not_rotate(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await mesh.identity().Suspend(pb.SuspendRequest(did=agent.did, reason="looking into it"))
    suspended = await refusal(mesh.identity().RotateKey(rotation(agent, OLD, NEW)))
    assert (suspended.code, suspended.reason) == ("FAILED_PRECONDITION", "AGENT_SUSPENDED")
    await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="it was bad"))
    revoked = await refusal(mesh.identity().RotateKey(rotation(agent, OLD, NEW)))
    assert (revoked.code, revoked.reason) == ("FAILED_PRECONDITION", "AGENT_REVOKED")


async def test_a_did_nobody_has_is_not_found(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    nobody = pb.AgentIdentity(environment="prod", did_version_id=agent.did_version_id)
    nobody.did = agent.did.replace(agent.did.split(":")[2], "QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6")
    refused = await refusal(mesh.identity().RotateKey(rotation(nobody, OLD, NEW)))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "AGENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"did": ""}, "did"),
        ({"did_version_id": ""}, "did_version_id"),
        ({"did_version_id": "1-" + "Q" * 70}, "did_version_id"),
        ({"new_public_key": b""}, "new_public_key"),
        ({"nonce": b"fifteen bytes.."}, "nonce"),
        ({"nonce": b"n" * 65}, "nonce"),
        ({"old_key_proof": b"short"}, "old_key_proof"),
        ({"new_key_proof": b""}, "new_key_proof"),
        ({"request_id": "one"}, "request_id"),
    ],
)
async def test_what_is_malformed_is_named(
    mesh: IdentityMesh, agent: pb.AgentIdentity, fields: dict[str, object], field: str
) -> None:
    refused = await refusal(mesh.identity().RotateKey(rotation(agent, OLD, NEW, **fields)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == {field}
