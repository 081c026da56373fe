"""Holes found in identity services before this one, each tried here.

A name that proves nothing, a sponsor that is any text with an @, a captured signature that rotates a key, a revocation
nobody hears of, a credential kept in the clear. Those of delegation, trust and handshakes are in
test_delegation_holes.py, test_trust_attacks.py and test_peer_attacks.py.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.identity.v1 import credential_pb2 as cpb
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.did import AgentDid, parse_did
from ringfence.proofs.did_log_check import DidLogError, check_log
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from support.identity.keys import seeded_key
from support.identity.mesh import AUDIENCE, IdentityMesh, identity_mesh
from support.identity.rotations import NONCE, message, rotation
from support.wire import refusal

OLD, NEW, THIEF = seeded_key(1), seeded_key(2), seeded_key(3)
GATEWAY = Caller(principal="gateway:edge", roles=frozenset({Role.GATEWAY}))


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol(key=OLD)).identity


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def is_active(mesh: IdentityMesh, token: str) -> bool:
    asked = cpb.IntrospectTokenRequest(token=token, audience=AUDIENCE)
    return (await mesh.credentials(GATEWAY).IntrospectToken(asked)).active


async def test_a_did_is_the_hash_of_its_own_beginning(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    log = (await mesh.identity(ANONYMOUS).GetDidLog(pb.GetDidLogRequest(did=agent.did))).log.decode()
    did = parse_did(agent.did)
    assert isinstance(did, AgentDid)
    assert check_log(log, did=did, now=mesh.clock.now())
    swapped = log.replace(agent.public_key_multibase, public_key_of(THIEF).multibase)
    with pytest.raises(DidLogError, match="SCID"):
        check_log(swapped, did=did, now=mesh.clock.now())


@pytest.mark.parametrize("sponsor", ["anybody@example.com", "@", "sponsors/nobody"])
async def test_a_sponsor_is_a_person_somebody_verified(mesh: IdentityMesh, sponsor: str) -> None:
    begin = pb.BeginRegistrationRequest(
        parent="namespaces/billing", agent_id="helper", environment="prod", sponsor=sponsor
    )
    refused = await refusal(mesh.identity().BeginRegistration(begin))
    assert refused.reason in {"INVALID_REQUEST", "SPONSOR_NOT_FOUND"}


async def test_a_signature_the_agent_made_for_something_else_rotates_no_key(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    assertion = mesh.assertion(agent, OLD)
    signed, _, _ = assertion.rpartition(".")
    captured = [OLD.sign(signed.encode()), OLD.sign(b"handshake"), OLD.sign(NONCE)]
    # What was signed for a rotation to one key is no leave to rotate to another.
    captured.append(OLD.sign(message(agent, OLD, NEW)))
    for signature in captured:
        forged = rotation(agent, OLD, THIEF, old_key_proof=signature)
        refused = await refusal(mesh.identity(ANONYMOUS).RotateKey(forged))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PROOF_INVALID")
    found = await mesh.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(did=agent.did))
    assert found.identity == agent


async def test_a_revocation_is_heard_of_everywhere_and_no_cache_is_asked(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    token = (await mesh.token(agent, OLD)).access_token
    assert await is_active(mesh, token)
    await mesh.identity().Revoke(pb.RevokeRequest(did=agent.did, reason="it left"))
    assert not await is_active(mesh, token)
    (told, *_) = await mesh.standing_revocations("prod")
    assert (told.subject, told.usable) == (agent.did, False)
    refused = await refusal(mesh.token(agent, OLD))
    assert refused.reason == "AGENT_REVOKED"


async def test_a_rotated_agent_works_on_at_once_and_its_old_token_does_not(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    before = (await mesh.token(agent, OLD)).access_token
    rotated = (await mesh.identity(ANONYMOUS).RotateKey(rotation(agent, OLD, NEW))).identity
    after = (await mesh.token(rotated, NEW)).access_token
    assert (await is_active(mesh, before), await is_active(mesh, after)) == (False, True)


async def test_no_credential_is_kept_in_the_clear(mesh: IdentityMesh, agent: pb.AgentIdentity, tmp_path: Path) -> None:
    assertion = mesh.assertion(agent, OLD)
    asked = pb.IssueTokenRequest(assertion=assertion, audience=AUDIENCE)
    token = (await mesh.credentials(ANONYMOUS).IssueToken(asked)).access_token
    stored = everything_in(tmp_path)
    assert agent.did.encode() in stored
    for secret in (token, assertion, token.rsplit(".", 1)[1], assertion.rsplit(".", 1)[1]):
        assert secret.encode() not in stored
