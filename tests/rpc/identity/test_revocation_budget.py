"""The revocation budget of the README, step by step, with a clock that only the test moves: commit, stream, expiry."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from ringfence.identity.v1 import credential_pb2 as cpb
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import revocation_pb2 as rpb
from ringfence_kit.clock import SECOND, Millis
from support.identity.keys import seeded_key
from support.identity.mesh import AUDIENCE, IdentityMesh, identity_mesh
from support.serving import SERVICE
from support.watching import while_time_passes
from support.wire import refusal

LONGEST_TOKEN = 300 * SECOND
STATUS_LIST = (15 * SECOND, 60 * SECOND)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


async def watched(mesh: IdentityMesh) -> AsyncGenerator[rpb.WatchRevocationsResponse, None]:
    request = rpb.WatchRevocationsRequest(environment="prod", send_initial_state=True)
    call = mesh.identity(SERVICE).WatchRevocations(request)
    try:
        async for item in call:
            yield item
    finally:
        call.cancel()


async def revoke(mesh: IdentityMesh, identity: pb.AgentIdentity) -> None:
    await mesh.identity().Revoke(pb.RevokeRequest(did=identity.did, reason="the key leaked"))


async def test_at_the_commit_identity_itself_knows(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    token = (await mesh.token(agent)).access_token
    before = mesh.clock.now()
    await revoke(mesh, agent)
    assert (await refusal(mesh.token(agent))).reason == "AGENT_REVOKED"
    seen = await mesh.credentials(SERVICE).IntrospectToken(cpb.IntrospectTokenRequest(token=token, audience=AUDIENCE))
    assert not seen.active
    resolved = await mesh.identity().ResolveDid(pb.ResolveDidRequest(did=agent.did))
    assert resolved.metadata.deactivated
    assert mesh.clock.now() == before


async def test_the_stream_tells_without_any_time_passing(mesh: IdentityMesh) -> None:
    """Well within the second: the event is on its way before Revoke has answered."""
    agent = (await mesh.enrol()).identity
    async with aclosing(watched(mesh)) as stream:
        await anext(stream)
        before = mesh.clock.now()
        await revoke(mesh, agent)
        told = await anext(stream)
    assert told.revocation.subject == agent.did
    assert mesh.clock.now() == before


async def test_silence_is_noticed_after_three_bookmarks(mesh: IdentityMesh) -> None:
    async with aclosing(watched(mesh)) as stream:
        complete = await anext(stream)
        began = mesh.clock.now()
        beats = [await while_time_passes(mesh.clock, anext(stream), step=Millis(SECOND)) for _ in range(3)]
    assert {beat.revision for beat in beats} == {complete.revision}
    assert all(beat.type == rpb.REVOCATION_EVENT_TYPE_BOOKMARK for beat in beats)
    # One beat every 5 s, and the steps in which the test moves the clock.
    assert mesh.clock.now() - began <= 3 * 6 * SECOND


async def test_the_status_list_is_good_for_15_to_60_seconds_and_the_next_one_says_so(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    request = rpb.GetStatusListRequest(environment="prod", list=1)
    before = await mesh.credentials().GetStatusList(request)
    await revoke(mesh, agent)
    left = before.expire_time.seconds * 1_000 - mesh.clock.now()
    assert STATUS_LIST[0] <= left <= STATUS_LIST[1]
    mesh.clock.advance(Millis(left))
    after = await mesh.credentials().GetStatusList(request)
    assert after.credential != before.credential
    assert after.expire_time.seconds > before.expire_time.seconds


async def test_a_token_issued_the_moment_before_ends_by_itself(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    issued = await mesh.token(agent)
    await revoke(mesh, agent)
    assert issued.expire_time.seconds * 1_000 - mesh.clock.now() <= LONGEST_TOKEN


async def test_a_sponsor_who_leaves_takes_as_long_as_any_revocation(mesh: IdentityMesh) -> None:
    await mesh.with_sponsors("edsger")
    kept = (await mesh.enrol("kept", key=seeded_key(1))).identity
    before = (await mesh.token(kept)).access_token
    async with aclosing(watched(mesh)) as stream:
        await anext(stream)
        gone = pb.OffboardSponsorRequest(name="sponsors/ada", new_backup_sponsor="sponsors/edsger", reason="left")
        await mesh.identity().OffboardSponsor(gone)
        told = [(await anext(stream)).revocation for _ in range(2)]
    assert {one.kind for one in told} == {rpb.REVOCATION_KIND_AGENT, rpb.REVOCATION_KIND_BIRTH_CERTIFICATE}
    (of_agent,) = (one for one in told if one.kind == rpb.REVOCATION_KIND_AGENT)
    assert (of_agent.subject, of_agent.minimum_epoch, of_agent.usable) == (kept.did, 2, True)
    seen = await mesh.credentials(SERVICE).IntrospectToken(cpb.IntrospectTokenRequest(token=before, audience=AUDIENCE))
    assert not seen.active
