"""WatchRevocations over the wire: what stands, then each revocation, and nobody hears of what is not theirs."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import revocation_pb2 as rpb
from ringfence.watch import AioWatch, Bookmark, Changed, StateBegins, StateComplete
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import SECOND, Millis
from support.identity.keys import seeded_key
from support.identity.mesh import AUDITOR, GATEWAY, OWNER, IdentityMesh, identity_mesh
from support.serving import OPERATOR, SERVICE
from support.watching import while_time_passes
from support.wire import read_refusal

REVOKED, BOOKMARK = rpb.REVOCATION_EVENT_TYPE_REVOKED, rpb.REVOCATION_EVENT_TYPE_BOOKMARK
APPROVER = Caller(principal="test:ari", roles=frozenset({Role.APPROVER}))


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        yield running


async def watch(
    mesh: IdentityMesh, caller: Caller = SERVICE, **wanted: Any
) -> AsyncGenerator[rpb.WatchRevocationsResponse, None]:
    call = mesh.identity(caller).WatchRevocations(rpb.WatchRevocationsRequest(**wanted))
    try:
        async for response in call:
            yield response
    finally:
        call.cancel()


async def revoke(mesh: IdentityMesh, identity: pb.AgentIdentity) -> pb.AgentIdentity:
    return (await mesh.identity().Revoke(pb.RevokeRequest(did=identity.did, reason="the key leaked"))).identity


async def suspend(mesh: IdentityMesh, identity: pb.AgentIdentity) -> None:
    await mesh.identity().Suspend(pb.SuspendRequest(did=identity.did, reason="looked odd"))


async def reinstate(mesh: IdentityMesh, identity: pb.AgentIdentity) -> None:
    await mesh.identity().Reinstate(pb.ReinstateRequest(did=identity.did, reason="looked at"))


async def how_refused(mesh: IdentityMesh, caller: Caller, **wanted: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await anext(watch(mesh, caller, **wanted))
    refused = read_refusal(error.value)
    return refused.code, refused.reason


def itself(identity: pb.AgentIdentity) -> Caller:
    return Caller(principal=identity.did, roles=frozenset({Role.AGENT}), environment=identity.environment)


async def test_what_stands_comes_first_then_what_is_revoked(mesh: IdentityMesh) -> None:
    before = (await mesh.enrol()).identity
    await revoke(mesh, before)
    async with aclosing(watch(mesh, send_initial_state=True)) as stream:
        standing, complete = await anext(stream), await anext(stream)
        assert (standing.type, standing.revocation.subject) == (REVOKED, before.did)
        assert (complete.type, complete.initial_state_end, complete.revision) == (BOOKMARK, True, standing.revision)
        # Enrolling is no revocation: the stream says nothing about it.
        after = (await mesh.enrol("second", key=seeded_key(2))).identity
        revoked = await revoke(mesh, after)
        event = await anext(stream)
    assert event.revision > complete.revision
    assert event.revocation.kind == rpb.REVOCATION_KIND_AGENT
    assert (event.revocation.subject, event.revocation.environment) == (after.did, "prod")
    assert event.revocation.minimum_epoch == revoked.revocation_epoch == 2
    assert not event.revocation.usable
    assert event.revocation.reason == "the key leaked"
    assert event.revocation.revoke_time.seconds * 1_000 == mesh.clock.now()


async def test_a_suspension_and_its_end_are_told_with_the_epoch_that_is_good(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    async with aclosing(watch(mesh)) as stream:
        await anext(stream)  # says where now was
        await suspend(mesh, agent)
        await reinstate(mesh, agent)
        told = [(await anext(stream)).revocation for _ in range(2)]
    assert [(one.subject, one.minimum_epoch, one.usable) for one in told] == [
        (agent.did, 2, False),
        (agent.did, 3, True),
    ]


async def test_the_state_holds_the_newest_word_on_each(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    await suspend(mesh, agent)
    await reinstate(mesh, agent)
    async with aclosing(watch(mesh, send_initial_state=True)) as stream:
        standing, complete = await anext(stream), await anext(stream)
    assert (standing.revocation.minimum_epoch, standing.revocation.usable) == (3, True)
    assert complete.initial_state_end


async def test_a_cut_stream_resumes_without_a_gap_also_after_a_restart(tmp_path: Path) -> None:
    """Suppressed revocation: whoever cuts a stream, or the server, only delays what is told."""
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors()
        agents = [(await mesh.enrol(f"a{number}", key=seeded_key(number))).identity for number in (1, 2, 3)]
        async with aclosing(watch(mesh, send_initial_state=True)) as stream:
            seen = (await anext(stream)).revision
        await revoke(mesh, agents[0])
        await revoke(mesh, agents[1])
    async with identity_mesh(tmp_path, clock=mesh.clock) as again:
        await revoke(again, agents[2])
        async with aclosing(watch(again, start_revision=seen + 1)) as stream:
            told = [(await anext(stream)) for _ in agents]
    assert [one.revocation.subject for one in told] == [agent.did for agent in agents]
    assert [one.revision for one in told] == sorted({one.revision for one in told})


async def test_a_quiet_stream_beats_so_that_silence_can_be_told_from_peace(mesh: IdentityMesh) -> None:
    async with aclosing(watch(mesh, send_initial_state=True)) as stream:
        complete = await anext(stream)
        beat = await while_time_passes(mesh.clock, anext(stream))
    assert (beat.type, beat.revision, beat.initial_state_end) == (BOOKMARK, complete.revision, False)


async def test_a_watcher_of_one_environment_hears_of_no_other(mesh: IdentityMesh) -> None:
    prod = (await mesh.enrol()).identity
    dev = (await mesh.enrol(key=seeded_key(2), environment="dev")).identity
    await revoke(mesh, prod)
    async with aclosing(watch(mesh, environment="dev", send_initial_state=True)) as stream:
        assert (await anext(stream)).initial_state_end
        other = (await mesh.enrol("other", key=seeded_key(3))).identity
        await revoke(mesh, other)
        await revoke(mesh, dev)
        assert (await anext(stream)).revocation.subject == dev.did


@pytest.mark.parametrize("caller", [OPERATOR, AUDITOR, SERVICE], ids=lambda caller: caller.principal)
async def test_overseers_hear_of_every_environment(mesh: IdentityMesh, caller: Caller) -> None:
    for number, environment in enumerate(("dev", "prod"), start=1):
        await revoke(mesh, (await mesh.enrol(key=seeded_key(number), environment=environment)).identity)
    async with aclosing(watch(mesh, caller, send_initial_state=True)) as stream:
        told = [(await anext(stream)).revocation.environment for _ in range(2)]
    assert sorted(told) == ["dev", "prod"]


@pytest.mark.parametrize("caller", [OWNER, GATEWAY, APPROVER], ids=lambda caller: caller.principal)
async def test_everyone_else_names_one_environment(mesh: IdentityMesh, caller: Caller) -> None:
    assert await how_refused(mesh, caller) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    async with aclosing(watch(mesh, caller, environment="prod", send_initial_state=True)) as stream:
        assert (await anext(stream)).initial_state_end


async def test_an_agent_hears_of_its_own_environment_only(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    async with aclosing(watch(mesh, itself(agent), environment="prod", send_initial_state=True)) as stream:
        assert (await anext(stream)).initial_state_end
    for other in ("dev", "staging", ""):
        assert await how_refused(mesh, itself(agent), environment=other) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_nobody_in_particular_hears_of_nothing(mesh: IdentityMesh) -> None:
    assert await how_refused(mesh, ANONYMOUS, environment="prod") == ("UNAUTHENTICATED", "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("wanted", "how"),
    [
        ({"environment": "qa"}, ("INVALID_ARGUMENT", "ENVIRONMENT_UNKNOWN")),
        ({"environment": "x" * 64}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ({"start_revision": -1}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ({"start_revision": 2, "send_initial_state": True}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ({"start_revision": 10_000}, ("OUT_OF_RANGE", "REVISION_IN_FUTURE")),
    ],
    ids=str,
)
async def test_what_cannot_be_watched_is_refused(
    mesh: IdentityMesh, wanted: dict[str, Any], how: tuple[str, str]
) -> None:
    assert await how_refused(mesh, SERVICE, **wanted) == how


async def test_the_public_client_follows_it_as_any_other_watch(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    await suspend(mesh, agent)
    request = rpb.WatchRevocationsRequest(environment="prod")
    watching = AioWatch(mesh.identity(SERVICE).WatchRevocations, request, initial_state=True)
    async with aclosing(watching.steps()) as steps:
        assert isinstance(await anext(steps), StateBegins)
        standing, complete = await anext(steps), await anext(steps)
        assert isinstance(standing, Changed)
        assert isinstance(complete, StateComplete)
        await reinstate(mesh, agent)
        changed = await anext(steps)
        assert isinstance(changed, Changed)
        assert changed.answer.revocation.usable
        watching.interrupt()
        beat = await while_time_passes(mesh.clock, anext(steps), step=Millis(SECOND))
        assert isinstance(beat, Bookmark)
        assert beat.revision >= changed.revision
