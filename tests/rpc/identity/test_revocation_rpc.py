"""Revocation and watches over the wire: an end for good, seen by everyone in order."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence_kit.clock import DAY, SECOND, Millis
from support.identity import webvh_resolver
from support.identity.evidence import record, signal
from support.identity.keys import seeded_key
from support.identity.mesh import AUDITOR, OWNER, STRANGER, IdentityMesh, identity_mesh
from support.wire import read_refusal, refusal

ADDED, MODIFIED, BOOKMARK = pb.WATCH_EVENT_TYPE_ADDED, pb.WATCH_EVENT_TYPE_MODIFIED, pb.WATCH_EVENT_TYPE_BOOKMARK


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


@pytest.fixture
async def agent(mesh: IdentityMesh) -> pb.AgentIdentity:
    return (await mesh.enrol()).identity


def revoke(identity: pb.AgentIdentity, **fields: str) -> pb.RevokeRequest:
    return pb.RevokeRequest(did=identity.did, reason="the key leaked", **fields)


async def test_a_revoked_identity_is_over_everywhere(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    mesh.clock.advance(Millis(5 * SECOND))
    revoked = (await mesh.identity(OWNER).Revoke(revoke(agent))).identity
    assert revoked.status == pb.IDENTITY_STATUS_REVOKED
    assert revoked.revocation_reason == "the key leaked"
    assert revoked.revocation_epoch == agent.revocation_epoch + 1
    assert revoked.revoke_time.seconds * 1_000 == mesh.clock.now()
    assert revoked.etag != agent.etag
    found = await mesh.identity(AUDITOR).GetAgentIdentity(pb.GetAgentIdentityRequest(did=agent.did))
    assert found.identity == revoked
    refused = await refusal(mesh.token(agent))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_REVOKED")


async def test_its_did_is_deactivated_and_the_history_says_so(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await mesh.identity().Revoke(revoke(agent))
    resolved = await mesh.identity().ResolveDid(pb.ResolveDidRequest(did=agent.did))
    assert resolved.did_document == b""
    assert resolved.metadata.deactivated
    assert resolved.metadata.version_id.startswith("2-")
    assert resolved.metadata.updated.seconds > resolved.metadata.created.seconds
    scid = agent.did.split(":")[2]
    log = await mesh.get(f"/prod/agents/{scid}/did.jsonl")
    assert webvh_resolver.resolve(log, agent.did) is None
    gone = await mesh.fetch(f"/prod/agents/{scid}/did.json")
    assert gone.status_code == 410


async def test_revocation_is_for_good(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await mesh.identity().Revoke(revoke(agent))
    again = await refusal(mesh.identity().Revoke(revoke(agent)))
    assert (again.code, again.reason) == ("FAILED_PRECONDITION", "AGENT_REVOKED")
    anew = await refusal(mesh.enrol(key=seeded_key(2)))
    assert (anew.code, anew.reason) == ("FAILED_PRECONDITION", "AGENT_REVOKED")
    reused = await refusal(mesh.enrol("another"))
    assert reused.reason == "KEY_ALREADY_USED"
    assert await record(mesh, signal(mesh, agent, "s", tpb.SIGNAL_KIND_TASK_ACCEPTED)) == [tpb.SIGNAL_OUTCOME_REFUSED]


async def test_the_etag_guards_against_a_stale_decision(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await record(mesh, signal(mesh, agent, "s", tpb.SIGNAL_KIND_TASK_ACCEPTED))
    stale = await refusal(mesh.identity().Revoke(revoke(agent, etag=agent.etag)))
    assert (stale.code, stale.reason) == ("ABORTED", "ETAG_MISMATCH")
    current = stale.metadata["current_etag"]
    assert (await mesh.identity().Revoke(revoke(agent, etag=current))).identity.status == pb.IDENTITY_STATUS_REVOKED


async def test_a_repeated_revocation_gets_its_first_answer(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    request = revoke(agent, request_id=str(uuid.uuid4()))
    first = await mesh.identity().Revoke(request)
    assert await mesh.identity().Revoke(request) == first
    other = pb.RevokeRequest(did=agent.did, reason="another reason", request_id=request.request_id)
    reused = await refusal(mesh.identity().Revoke(other))
    assert reused.reason == "REQUEST_ID_REUSED"


async def test_a_stranger_learns_nothing_not_even_who_exists(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    nobody = "QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"
    unknown = pb.AgentIdentity(did=agent.did.replace(agent.did.split(":")[2], nobody))
    answers = [await refusal(mesh.identity(STRANGER).Revoke(revoke(identity))) for identity in (agent, unknown)]
    assert {(answer.code, answer.reason) for answer in answers} == {("PERMISSION_DENIED", "NOT_PERMITTED")}


async def test_a_watcher_sees_state_then_changes_without_gap_or_repeat(
    mesh: IdentityMesh, agent: pb.AgentIdentity
) -> None:
    stream = mesh.watch(send_initial_state=True)
    state, complete = await anext(stream), await anext(stream)
    assert (state.type, state.identity) == (ADDED, agent)
    assert (complete.type, complete.initial_state_end, complete.revision) == (BOOKMARK, True, state.revision)
    second = (await mesh.enrol("second", key=seeded_key(2))).identity
    await mesh.identity().Revoke(revoke(second))
    added, modified = await anext(stream), await anext(stream)
    assert [added.revision, modified.revision] == [complete.revision + 1, complete.revision + 2]
    assert (added.type, added.identity) == (ADDED, second)
    assert (modified.type, modified.identity.status) == (MODIFIED, pb.IDENTITY_STATUS_REVOKED)
    await stream.aclose()


async def test_a_watch_resumes_where_it_was_cut_also_after_a_restart(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        agent = (await mesh.enrol()).identity
        stream = mesh.watch(send_initial_state=True)
        seen = (await anext(stream)).revision
        await stream.aclose()
        await record(mesh, signal(mesh, agent, "s", tpb.SIGNAL_KIND_TASK_ACCEPTED))
    async with identity_mesh(tmp_path, clock=mesh.clock) as again:
        stream = again.watch(start_revision=seen + 1)
        event = await anext(stream)
        assert (event.revision, event.type) == (seen + 1, MODIFIED)
        await stream.aclose()


async def test_a_watcher_of_one_environment_hears_of_no_other(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    stream = mesh.watch(environment="dev", send_initial_state=True)
    complete = await anext(stream)
    assert complete.initial_state_end
    await mesh.enrol("p2", key=seeded_key(2))
    dev = (await mesh.enrol("d1", key=seeded_key(3), environment="dev")).identity
    event = await anext(stream)
    assert event.identity == dev
    await stream.aclose()


async def test_a_quiet_stream_beats(mesh: IdentityMesh) -> None:
    stream = mesh.watch(send_initial_state=True)
    complete = await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    while not waiting.done():
        mesh.clock.advance(Millis(5 * SECOND))
        await asyncio.wait({waiting}, timeout=0.02)
    beat = await waiting
    assert (beat.type, beat.revision, beat.initial_state_end) == (BOOKMARK, complete.revision, False)
    await stream.aclose()


async def test_a_revision_that_does_not_exist_yet_is_refused(mesh: IdentityMesh) -> None:
    stream = mesh.watch(start_revision=10_000)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await anext(stream)
    refused = read_refusal(error.value)
    assert (refused.code, refused.reason) == ("OUT_OF_RANGE", "REVISION_IN_FUTURE")


async def test_an_event_carries_all_that_the_pdp_decides_by(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    stream = mesh.watch(send_initial_state=True)
    identity = (await anext(stream)).identity
    await stream.aclose()
    assert (identity.did, identity.agent, identity.environment) == (agent.did, agent.agent, "prod")
    assert identity.birth_certificate.sponsor == "sponsors/ada"
    assert identity.birth_certificate.ring_ceiling == 1
    assert identity.birth_certificate.permissions
    assert identity.birth_certificate.approved_tools[0].schema_hash
    assert identity.trust_state.ceiling == 1_000
    assert identity.revocation_epoch == 1


async def test_the_http_face_serves_by_host_and_by_path(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    scid = agent.did.split(":")[2]
    host = "prod.id.ringfence.internal"
    for path in ("/.well-known/jwks.json", "/.well-known/did.jsonl", "/.well-known/did.json"):
        assert (await mesh.fetch(path, host=host)).text == (await mesh.fetch(f"/prod{path}")).text
    for name in ("did.jsonl", "did.json", "whois.vp"):
        by_host = await mesh.fetch(f"/agents/{scid}/{name}", host=host)
        assert by_host.status_code == 200
        assert by_host.text == (await mesh.fetch(f"/prod/agents/{scid}/{name}")).text
    document = json.loads(await mesh.get(f"/prod/agents/{scid}/did.json"))
    assert document["id"] == f"did:web:{host}:agents:{scid}"
    assert agent.did in document["alsoKnownAs"]
    shown = json.loads(await mesh.get(f"/prod/agents/{scid}/whois.vp"))
    assert shown["verifiableCredential"][0]["credentialSubject"]["id"] == agent.did
    registrar = json.loads(await mesh.get("/prod/.well-known/did.json"))["alsoKnownAs"][-1]
    assert webvh_resolver.resolve(await mesh.get("/prod/.well-known/did.jsonl"), registrar) is not None


@pytest.mark.parametrize(
    "path",
    [
        "/dev/agents/{scid}/did.json",
        "/qa/.well-known/jwks.json",
        "/prod/agents/nobody/did.jsonl",
        "/prod/agents/QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6/whois.vp",
        "/.well-known/jwks.json",
    ],
)
async def test_what_is_not_there_is_a_problem_document(mesh: IdentityMesh, agent: pb.AgentIdentity, path: str) -> None:
    answer = await mesh.fetch(path.format(scid=agent.did.split(":")[2]))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "https://www.w3.org/ns/did#NOT_FOUND"
    assert answer.json()["error"] == "notFound"


async def test_trust_of_the_revoked_can_still_be_read(mesh: IdentityMesh, agent: pb.AgentIdentity) -> None:
    await mesh.identity().Revoke(revoke(agent))
    mesh.clock.advance(Millis(DAY))
    trust = await mesh.trust(AUDITOR).GetTrust(tpb.GetTrustRequest(did=agent.did))
    assert trust.trust.score == 300
