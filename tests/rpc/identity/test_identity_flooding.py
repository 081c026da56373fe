"""Flooding issue and challenge: what nobody in particular may send, and what it costs us when they send more."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence_identity.app import build
from ringfence_identity.config import IdentityConfig
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import SECOND, ManualClock, Millis
from ringfence_kit.ids import counting_ids
from ringfence_kit.server_config import QuotasConfig
from support.identity.keys import seeded_key
from support.identity.mesh import AUDIENCE, IdentityMesh
from support.serving import server_config, serving
from support.wire import refusal

QUOTAS = QuotasConfig(open_per_second=1, open_burst=6, refused_per_second=1, refused_burst=3)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    """Identity that takes six open calls of an address at once, and three refused credentials."""
    clock = ManualClock()
    settings = server_config(tmp_path, quotas=QUOTAS)
    service = build(IdentityConfig(), settings, clock=clock, new_id=counting_ids(clock.now()))
    async with serving(service, config=settings, clock=clock) as running:
        mesh = IdentityMesh(mesh=running, clock=clock)
        await mesh.with_sponsors()
        yield mesh


async def ask(mesh: IdentityMesh, identity: pb.AgentIdentity, key_number: int = 1) -> pb.IssueTokenResponse:
    assertion = mesh.assertion(identity, seeded_key(key_number))
    request = pb.IssueTokenRequest(assertion=assertion, audience=AUDIENCE)
    return await mesh.credentials(ANONYMOUS).IssueToken(request)


async def test_flooding_issue_is_cut_off_by_address_and_told_when_to_come_back(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    for _ in range(6):
        await ask(mesh, agent)
    refused = await refusal(ask(mesh, agent))
    assert (refused.code, refused.reason, refused.retry_after) == ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", SECOND)
    # Those who are known go on meanwhile.
    assert (await mesh.token(agent)).access_token
    mesh.clock.advance(Millis(SECOND))
    assert (await ask(mesh, agent)).access_token


@pytest.mark.parametrize("method", ["ResolveDid", "GetDidLog"])
async def test_open_reads_of_an_address_count_together(mesh: IdentityMesh, method: str) -> None:
    agent = (await mesh.enrol()).identity
    stub = mesh.identity(ANONYMOUS)
    requests = {"ResolveDid": pb.ResolveDidRequest, "GetDidLog": pb.GetDidLogRequest}
    for _ in range(6):
        await stub.ResolveDid(pb.ResolveDidRequest(did=agent.did))
    refused = await refusal(getattr(stub, method)(requests[method](did=agent.did)))
    assert refused.reason == "QUOTA_EXCEEDED"


async def test_guessing_at_proofs_is_cut_off_before_any_is_checked(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    for _ in range(3):
        assert (await refusal(ask(mesh, agent, key_number=2))).reason == "ASSERTION_INVALID"
    refused = await refusal(ask(mesh, agent, key_number=2))
    assert (refused.code, refused.reason, refused.retry_after) == ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", SECOND)
    mesh.clock.advance(Millis(SECOND))
    assert (await ask(mesh, agent)).access_token


async def test_flooding_the_challenge_stores_nothing(mesh: IdentityMesh) -> None:
    first = await mesh.identity().ListAgentIdentities(pb.ListAgentIdentitiesRequest())
    newest = await newest_revision(mesh)
    for number in range(50):
        await mesh.begin(f"agent{number}")
    assert await newest_revision(mesh) == newest
    assert await mesh.identity().ListAgentIdentities(pb.ListAgentIdentitiesRequest()) == first


async def newest_revision(mesh: IdentityMesh) -> int:
    stream = mesh.watch(send_initial_state=True)
    revision = (await anext(stream)).revision
    await stream.aclose()
    return revision
