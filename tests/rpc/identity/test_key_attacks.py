"""Attacks on keys and histories, each played over the wire (design: identity, Attacks)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.public_keys import public_key_of
from ringfence.proofs.rotation import ROTATION_PREFIX
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import HOUR, SECOND, Instant, ManualClock
from support.identity.keys import seeded_key, torsion_encodings
from support.identity.mesh import IdentityMesh, identity_mesh
from support.identity.resolving import document, methods, resolved
from support.identity.rotations import NONCE, message, replacement, rotation
from support.wire import refusal

VICTIM, THIEF, HONEST = seeded_key(1), seeded_key(66), seeded_key(2)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol(key=VICTIM)).identity


def forged(identity: pb.AgentIdentity, old_key_proof: bytes) -> pb.RotateKeyRequest:
    """Return a rotation to the thief's key with a signature of the victim's that the thief came by."""
    return rotation(identity, VICTIM, THIEF, old_key_proof=old_key_proof)


@pytest.mark.parametrize(
    "parts",
    [
        {"new_key": HONEST.public_key},
        {"old_key": HONEST.public_key},
        {"nonce": b"another nonce, too"},
        {"environment": "dev"},
        {"version_id": "2-Qm"},
        {"did": "did:web:prod.id.ringfence.internal"},
    ],
    ids=lambda parts: next(iter(parts)),
)
async def test_forged_rotation_with_a_signature_over_another_change(
    mesh: IdentityMesh, agent: pb.AgentIdentity, parts: dict[str, Any]
) -> None:
    """The message is built from what is stored, so one that says anything else proves nothing."""
    stolen = VICTIM.sign(message(agent, VICTIM, THIEF, **parts))
    refused = await refusal(mesh.identity(ANONYMOUS).RotateKey(forged(agent, stolen)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PROOF_INVALID")
    assert set(refused.violations) == {"old_key_proof"}


async def test_forged_rotation_with_a_signature_made_for_something_else(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    """What a key signs says what it is for: an assertion, an enrolment, a log entry are no consent to a rotation."""
    begun = await mesh.begin("elsewhere")
    assertion = mesh.assertion(agent, VICTIM)
    texts = (begun.signing_input, assertion.rpartition(".")[0].encode(), ROTATION_PREFIX, NONCE, b"")
    for text in texts:
        refused = await refusal(mesh.identity(ANONYMOUS).RotateKey(forged(agent, VICTIM.sign(text))))
        assert refused.reason == "PROOF_INVALID"


async def test_forged_rotation_by_whoever_holds_only_the_new_key(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    signed = message(agent, VICTIM, THIEF)
    for proof in (THIEF.sign(signed), bytes(64), b"\1" + bytes(63)):
        refused = await refusal(mesh.identity(ANONYMOUS).RotateKey(forged(agent, proof)))
        assert refused.reason == "PROOF_INVALID"
    found = await mesh.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(did=agent.did))
    assert found.identity == agent


async def test_forged_consent_of_a_key_the_agent_does_not_have(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """Or an agent could be given a key somebody else knows, and be answered for by it."""
    signed = message(agent, VICTIM, HONEST)
    request = rotation(agent, VICTIM, HONEST, new_key_proof=VICTIM.sign(signed))
    refused = await refusal(mesh.identity().RotateKey(request))
    assert (refused.reason, set(refused.violations)) == ("PROOF_INVALID", {"new_key_proof"})


async def test_replayed_rotation_changes_nothing(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    request = rotation(agent, VICTIM, HONEST)
    second = (await mesh.identity(ANONYMOUS).RotateKey(request)).identity
    again = await refusal(mesh.identity(ANONYMOUS).RotateKey(request))
    assert (again.code, again.reason) == ("ABORTED", "DID_VERSION_MISMATCH")
    third = (await mesh.identity().RotateKey(rotation(second, HONEST, seeded_key(3)))).identity
    much_later = await refusal(mesh.identity(ANONYMOUS).RotateKey(request))
    assert much_later.metadata["current_version"] == third.did_version_id


async def test_replayed_rotation_with_its_version_brought_up_to_date(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    """The version is signed: an old consent is none to go back to an old key."""
    request = rotation(agent, VICTIM, HONEST)
    second = (await mesh.identity().RotateKey(request)).identity
    request.did_version_id = second.did_version_id
    refused = await refusal(mesh.identity(ANONYMOUS).RotateKey(request))
    assert refused.reason == "PROOF_INVALID"


async def test_replayed_rotation_in_another_environment(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    dev = (await mesh.enrol(key=seeded_key(5), environment="dev")).identity
    request = rotation(agent, VICTIM, HONEST)
    request.did, request.did_version_id = dev.did, dev.did_version_id
    assert (await refusal(mesh.identity(ANONYMOUS).RotateKey(request))).reason == "PROOF_INVALID"


async def test_small_order_replacement_keys_are_refused_wherever_a_key_comes_in(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    """Under such a key one signature verifies for every message: R = the identity, S = 0."""
    universal = b"\1" + bytes(63)
    for weak in torsion_encodings():
        request = rotation(agent, VICTIM, HONEST, new_public_key=weak, new_key_proof=universal)
        refused = await refusal(mesh.identity().RotateKey(request))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "KEY_REFUSED")
        assert set(refused.violations) == {"new_public_key"}
        key = replacement(agent, VICTIM, HONEST, public_key=weak, proof=universal)
        report = pb.ReportCompromiseRequest(did=agent.did, reason="lost", replacement=key)
        refused = await refusal(mesh.identity().ReportCompromise(report))
        assert (refused.reason, set(refused.violations)) == ("KEY_REFUSED", {"replacement.public_key"})
    for wrong_length in (HONEST.public_key[:31], HONEST.public_key + b"\0"):
        request = rotation(agent, VICTIM, HONEST, new_public_key=wrong_length)
        assert (await refusal(mesh.identity().RotateKey(request))).reason == "KEY_REFUSED"


async def test_a_small_order_key_does_not_end_a_compromise(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    lost = (await mesh.identity().ReportCompromise(pb.ReportCompromiseRequest(did=agent.did, reason="lost"))).identity
    weak = replacement(lost, VICTIM, HONEST, public_key=torsion_encodings()[0], proof=b"\1" + bytes(63))
    request = pb.ReinstateRequest(did=agent.did, reason="fine", replacement=weak)
    assert (await refusal(mesh.identity().Reinstate(request))).reason == "KEY_REFUSED"


async def test_key_compromise_leaves_the_thief_nothing(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """After the report a stolen key gets no token, rotates to nothing, comes back nowhere, and all can see why."""
    thief = mesh.identity(ANONYMOUS)
    report = pb.ReportCompromiseRequest(did=agent.did, reason="stolen", replacement=replacement(agent, VICTIM, HONEST))
    after = (await mesh.identity().ReportCompromise(report)).identity
    assert (await refusal(mesh.token(after, VICTIM))).reason == "ASSERTION_INVALID"
    for identity in (agent, after):
        refused = await refusal(thief.RotateKey(rotation(identity, VICTIM, THIEF)))
        assert refused.reason in ("DID_VERSION_MISMATCH", "PROOF_INVALID")
    assert (await refusal(mesh.enrol("mine", key=VICTIM))).reason == "KEY_ALREADY_USED"
    found = document(await resolved(mesh, agent.did))
    (void,) = (one for one in methods(found).values() if one["publicKeyMultibase"] == public_key_of(VICTIM).multibase)
    assert void["compromisedSince"]
    live = [*found["authentication"], *found["assertionMethod"], *found["capabilityDelegation"]]
    assert void["id"] not in live


async def test_key_compromise_voids_a_rotation_that_is_on_its_way(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    """The thief's rotation and the owner's report at once: whatever order they get, the thief's key ends void."""
    stub = mesh.identity()
    report = pb.ReportCompromiseRequest(did=agent.did, reason="stolen")
    await asyncio.gather(
        mesh.identity(ANONYMOUS).RotateKey(rotation(agent, VICTIM, THIEF)),
        stub.ReportCompromise(report),
        return_exceptions=True,
    )
    found = (await stub.GetAgentIdentity(pb.GetAgentIdentityRequest(did=agent.did))).identity
    assert found.status == pb.IDENTITY_STATUS_SUSPENDED
    for key in (VICTIM, THIEF):
        assert (await refusal(mesh.token(found, key))).reason in ("AGENT_SUSPENDED", "ASSERTION_INVALID")


async def test_clock_rollback_stops_history_and_not_reading(tmp_path: Path) -> None:
    """A clock set back could write a past in which a stolen key was still good."""
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        agent = (await mesh.enrol(key=VICTIM)).identity
        mesh.clock.advance(HOUR)
        agent = (await mesh.identity().RotateKey(rotation(agent, VICTIM, HONEST))).identity
    behind = ManualClock(Instant(mesh.clock.now() - HOUR))
    async with identity_mesh(tmp_path, clock=behind) as again:
        stub = again.identity()
        for call in (
            stub.RotateKey(rotation(agent, HONEST, seeded_key(3))),
            stub.ReportCompromise(pb.ReportCompromiseRequest(did=agent.did, reason="lost")),
            stub.Suspend(pb.SuspendRequest(did=agent.did, reason="a look")),
            stub.Revoke(pb.RevokeRequest(did=agent.did, reason="done")),
        ):
            assert (await refusal(call)).code == "UNAVAILABLE"
        shown = await stub.ResolveDid(pb.ResolveDidRequest(did=agent.did))
        assert shown.metadata.version_id == agent.did_version_id


async def test_clock_rollback_within_its_tolerance_keeps_history_in_order(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        mesh.clock.advance(HOUR)
        agent = (await mesh.enrol(key=VICTIM)).identity
    behind = ManualClock(Instant(mesh.clock.now() - 4 * SECOND))
    async with identity_mesh(tmp_path, clock=behind) as again:
        await again.identity().RotateKey(rotation(agent, VICTIM, HONEST))
        metadata = (await again.identity().ResolveDid(pb.ResolveDidRequest(did=agent.did))).metadata
        assert metadata.version_time.seconds == metadata.created.seconds + 1


NOT_OURS = (
    "did:web:127.0.0.1%3A{port}",
    "did:web:localhost%3A{port}",
    "did:web:localhost.localdomain%3A{port}",
    "did:web:169.254.169.254",
    "did:web:2130706433",
    "did:web:0x7f.1",
    "did:web:[::1]",
    "did:web:user@localhost.localdomain%3A{port}",
    "did:webvh:{scid}:127.0.0.1%3A{port}:agents:{scid}",
    "did:webvh:{scid}:localhost.localdomain%3A{port}:agents:{scid}",
    "did:webvh:{scid}:prod.id.ringfence.internal.evil.example:agents:{scid}",
    "did:webvh:{scid}:prod.id.ringfence.internal:agents:..%2f..%2fetc",
    "did:webvh:{scid}:prod.id.ringfence.internal:..:{scid}",
)


@pytest.mark.parametrize("shape", NOT_OURS)
async def test_ssrf_on_resolve_nothing_is_ever_fetched(mesh: IdentityMesh, agent: pb.AgentIdentity, shape: str) -> None:
    """Whatever host a DID names, the answer comes from what is stored here, or is a refusal."""
    visitors: list[object] = []

    def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitors.append(reader)
        writer.close()

    async with await asyncio.start_server(visited, "127.0.0.1", 0) as trap:
        did = shape.format(port=trap.sockets[0].getsockname()[1], scid=agent.did.split(":")[2])
        refused = await refusal(mesh.identity(ANONYMOUS).ResolveDid(pb.ResolveDidRequest(did=did)))
        assert refused.reason == "DID_INVALID"
        assert (await resolved(mesh, did)).status_code in (400, 404)
        assert visitors == []


@pytest.mark.parametrize(
    "squat",
    [
        lambda did: did.upper(),
        lambda did: did.replace("prod.id", "PROD.id"),
        lambda did: did.replace("prod.id", "prоd.id"),  # noqa: RUF001 - a Cyrillic o, the squatter's
        lambda did: did.replace("prod.id", "prod%2Eid"),
        lambda did: did + " ",
        lambda did: did + "#key-1",
        lambda did: did + "?versionId=1",
        lambda did: did.replace("internal:", "internal.:"),
        lambda did: did.replace("internal:", "internal%3A443:"),
        lambda did: did.replace(":agents:", ":agents::"),
        lambda did: did[:-1] + ("a" if did[-1] != "a" else "b"),
    ],
)
async def test_did_squatting_a_name_that_looks_like_another_is_not_that_name(
    mesh: IdentityMesh, agent: pb.AgentIdentity, squat: Any
) -> None:
    lookalike = squat(agent.did)
    stub = mesh.identity()
    for call in (
        stub.ResolveDid(pb.ResolveDidRequest(did=lookalike)),
        stub.GetDidLog(pb.GetDidLogRequest(did=lookalike)),
        stub.Suspend(pb.SuspendRequest(did=lookalike, reason="a look")),
        stub.RotateKey(rotation(agent, VICTIM, HONEST, did=lookalike)),
    ):
        assert (await refusal(call)).reason in ("DID_INVALID", "INVALID_REQUEST")
