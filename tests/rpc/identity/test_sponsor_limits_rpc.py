"""What one sponsor may have, and what a debt does when an agent changes hands: flooding and whitewashing, refused."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence_identity.birth_certificate import BirthContent
from ringfence_identity.config import IdentityConfig, SponsorsConfig
from ringfence_identity.convert.births import birth_content_to_proto
from ringfence_kit.clock import DAY, HOUR, SECOND, Millis
from support.identity.births import COMPLETE
from support.identity.evidence import record, signal, trust_of
from support.identity.keys import seeded_key
from support.identity.mesh import IdentityMesh, identity_mesh
from support.wire import refusal

OF_GRACE = replace(COMPLETE, sponsor="sponsors/grace", backup_sponsor="sponsors/ada")
OF_EVE = replace(COMPLETE, sponsor="sponsors/eve", backup_sponsor="sponsors/grace")


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    config = IdentityConfig(sponsors=SponsorsConfig(agents=3, enrolments_per_hour=4))
    async with identity_mesh(tmp_path, config=config) as running:
        await running.with_sponsors("ada", "grace", "eve")
        yield running


class Fleet:
    """Enrols agents, each with a name and a key of its own."""

    def __init__(self, mesh: IdentityMesh) -> None:
        self._mesh = mesh
        self._made = 0

    async def enrol(self, content: BirthContent = COMPLETE, environment: str = "prod") -> pb.AgentIdentity:
        self._made += 1
        name, key = f"a{self._made}", seeded_key(self._made)
        return (await self._mesh.enrol(name, key=key, content=content, environment=environment)).identity


@pytest.fixture
def fleet(mesh: IdentityMesh) -> Fleet:
    return Fleet(mesh)


async def revoke(mesh: IdentityMesh, identity: pb.AgentIdentity) -> None:
    await mesh.identity().Revoke(pb.RevokeRequest(did=identity.did, reason="done"))


async def test_nobody_answers_for_more_agents_than_one_may(mesh: IdentityMesh, fleet: Fleet) -> None:
    agents = [await fleet.enrol() for _ in range(3)]
    refused = await refusal(fleet.enrol())
    assert (refused.code, refused.reason, refused.retry_after) == ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", None)
    assert refused.metadata == {"principal": "sponsors/ada", "method_class": "agents"}
    # Neither another sponsor nor another environment is concerned.
    await fleet.enrol(OF_GRACE)
    await fleet.enrol(environment="staging")
    await revoke(mesh, agents[0])
    await fleet.enrol()


async def test_a_sponsor_enrols_so_many_in_an_hour_whatever_becomes_of_them(mesh: IdentityMesh, fleet: Fleet) -> None:
    for _ in range(4):
        await revoke(mesh, await fleet.enrol())
        mesh.clock.advance(Millis(10 * SECOND))
    refused = await refusal(fleet.enrol())
    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
    assert refused.retry_after == HOUR - 40 * SECOND
    mesh.clock.advance(Millis(refused.retry_after - 1))
    assert (await refusal(fleet.enrol())).retry_after == 1
    mesh.clock.advance(Millis(1))
    await fleet.enrol()


async def test_the_count_outlives_a_restart(tmp_path: Path) -> None:
    config = IdentityConfig(sponsors=SponsorsConfig(agents=0, enrolments_per_hour=2))
    async with identity_mesh(tmp_path, config=config) as mesh:
        await mesh.with_sponsors()
        await mesh.enrol("a1", key=seeded_key(1))
        await mesh.enrol("a2", key=seeded_key(2))
    async with identity_mesh(tmp_path, config=config, clock=mesh.clock) as again:
        assert (await refusal(again.enrol("a3", key=seeded_key(3)))).reason == "QUOTA_EXCEEDED"


async def test_an_enrolment_that_fails_spends_nothing(mesh: IdentityMesh, fleet: Fleet) -> None:
    await fleet.enrol()
    for _ in range(10):
        request = await mesh.answer("spoilt")
        request.proof_of_possession = bytes(64)
        assert (await refusal(mesh.identity().CompleteRegistration(request))).reason == "PROOF_INVALID"
    await fleet.enrol()
    await fleet.enrol()


async def test_a_repeated_enrolment_is_answered_also_when_there_is_no_more_room(
    mesh: IdentityMesh, fleet: Fleet
) -> None:
    request = await mesh.answer("first", key=seeded_key(99))
    first = await mesh.identity().CompleteRegistration(request)
    await fleet.enrol()
    await fleet.enrol()
    assert await mesh.identity().CompleteRegistration(request) == first


async def test_an_agent_is_not_handed_to_a_sponsor_without_room(mesh: IdentityMesh, fleet: Fleet) -> None:
    for _ in range(3):
        await fleet.enrol(OF_EVE)
    agent = await fleet.enrol()
    handed = pb.IssueBirthCertificateRequest(did=agent.did, birth_certificate=birth_content_to_proto(OF_EVE))
    refused = await refusal(mesh.credentials().IssueBirthCertificate(handed))
    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
    # A change that stays with its sponsor takes no room.
    kept = pb.IssueBirthCertificateRequest(
        did=agent.did, birth_certificate=birth_content_to_proto(replace(COMPLETE, purpose="Another purpose."))
    )
    assert (await mesh.credentials().IssueBirthCertificate(kept)).identity.birth_certificate_serial == 2


async def guilty(mesh: IdentityMesh, fleet: Fleet) -> pb.AgentIdentity:
    """Return an agent of Ada's that owes 400 points."""
    agent = await fleet.enrol()
    await record(mesh, signal(mesh, agent, "incident", tpb.SIGNAL_KIND_INCIDENT_CONFIRMED))
    return agent


async def debt_of(mesh: IdentityMesh, identity: pb.AgentIdentity) -> int:
    return (await trust_of(mesh, identity)).state.debt_micro_points // 1_000_000


async def test_whitewashing_by_handing_the_guilty_to_somebody_else(mesh: IdentityMesh, fleet: Fleet) -> None:
    """The debt goes along, and stays: newcomers of both inherit half of it."""
    agent = await guilty(mesh, fleet)
    handed = pb.IssueBirthCertificateRequest(did=agent.did, birth_certificate=birth_content_to_proto(OF_EVE))
    await mesh.credentials().IssueBirthCertificate(handed)
    assert await debt_of(mesh, agent) == 400
    assert await debt_of(mesh, await fleet.enrol(OF_EVE)) == 200
    assert await debt_of(mesh, await fleet.enrol()) == 200
    assert await debt_of(mesh, await fleet.enrol(OF_GRACE)) == 0


async def test_whitewashing_by_handing_the_guilty_on_and_waiting(mesh: IdentityMesh, fleet: Fleet) -> None:
    agent = await guilty(mesh, fleet)
    handed = pb.IssueBirthCertificateRequest(did=agent.did, birth_certificate=birth_content_to_proto(OF_EVE))
    await mesh.credentials().IssueBirthCertificate(handed)
    mesh.clock.advance(Millis(90 * DAY))
    assert await debt_of(mesh, await fleet.enrol()) == 200
    mesh.clock.advance(Millis(1))
    assert await debt_of(mesh, await fleet.enrol()) == 100  # of the newcomer above, not of the one handed on


async def test_whitewashing_by_leaving(mesh: IdentityMesh, fleet: Fleet) -> None:
    """Whoever takes over the agents of a sponsor takes over what they owe."""
    agent = await guilty(mesh, fleet)
    gone = await mesh.identity().OffboardSponsor(
        pb.OffboardSponsorRequest(name="sponsors/ada", new_backup_sponsor="sponsors/eve", reason="left")
    )
    assert list(gone.handed_over) == [agent.did]
    assert await debt_of(mesh, agent) == 400
    content = replace(OF_GRACE, backup_sponsor="sponsors/eve")
    assert await debt_of(mesh, await fleet.enrol(content)) == 200
