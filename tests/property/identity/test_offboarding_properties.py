"""Whoever leaves, in whatever order: no agent that works is left with nobody to answer for it."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import grpc.aio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ringfence.identity.v1 import identity_pb2 as pb
from support.identity.births import COMPLETE
from support.identity.keys import seeded_key
from support.identity.mesh import IdentityMesh, identity_mesh

PEOPLE = ("ada", "edsger", "grace", "kay")
pairs = st.permutations(PEOPLE).map(lambda people: people[:2])
leavings = st.tuples(
    st.sampled_from(PEOPLE),
    st.sampled_from(["", *PEOPLE]),
    st.sampled_from([pb.OFFBOARD_POLICY_HAND_OVER, pb.OFFBOARD_POLICY_SUSPEND]),
)


async def offboard(
    mesh: IdentityMesh, leaving: tuple[str, str, "pb.OffboardPolicy.ValueType"]
) -> pb.OffboardSponsorResponse | None:
    """Off-board somebody; None when that is refused."""
    name, backup, policy = leaving
    request = pb.OffboardSponsorRequest(
        name=f"sponsors/{name}",
        new_backup_sponsor=f"sponsors/{backup}" if backup else "",
        policy=policy,
        reason="left",
    )
    try:
        return await mesh.identity().OffboardSponsor(request)
    except grpc.aio.AioRpcError:
        return None


async def state_of(mesh: IdentityMesh) -> tuple[dict[str, pb.AgentIdentity], set[str]]:
    """Return every identity by DID, and the names of those who have left."""
    identities = (await mesh.identity().ListAgentIdentities(pb.ListAgentIdentitiesRequest())).identities
    sponsors = (await mesh.identity().ListSponsors(pb.ListSponsorsRequest(show_offboarded=True))).sponsors
    gone = {sponsor.name for sponsor in sponsors if sponsor.HasField("offboard_time")}
    return {identity.did: identity for identity in identities}, gone


def check(
    before: dict[str, pb.AgentIdentity],
    after: dict[str, pb.AgentIdentity],
    gone: set[str],
    answer: pb.OffboardSponsorResponse | None,
) -> None:
    if answer is None:
        assert after == before
        return
    for did, identity in after.items():
        content, was = identity.birth_certificate, before[did]
        if identity.status == pb.IDENTITY_STATUS_ACTIVE:
            assert content.sponsor not in gone
        assert content.sponsor != content.backup_sponsor
        reissued = did in (*answer.handed_over, *answer.backup_replaced)
        assert identity.birth_certificate_serial == was.birth_certificate_serial + reissued
        assert (identity.revocation_epoch > was.revocation_epoch) == (reissued or did in answer.suspended)
        if did in answer.handed_over:
            assert content.sponsor == was.birth_certificate.backup_sponsor
        if did in answer.suspended:
            assert identity.suspension_cause == pb.SUSPENSION_CAUSE_SPONSOR_GONE


@given(st.lists(pairs, min_size=1, max_size=4), st.lists(leavings, min_size=1, max_size=5))
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
def test_no_agent_that_works_is_left_with_nobody_to_answer_for_it(
    agents: list[tuple[str, str]], leaving: list[tuple[str, str, "pb.OffboardPolicy.ValueType"]]
) -> None:
    async def story(folder: Path) -> None:
        async with identity_mesh(folder) as mesh:
            await mesh.with_sponsors(*PEOPLE)
            for number, (sponsor, backup) in enumerate(agents, start=1):
                content = replace(COMPLETE, sponsor=f"sponsors/{sponsor}", backup_sponsor=f"sponsors/{backup}")
                await mesh.enrol(f"a{number}", key=seeded_key(number), content=content)
            for each in leaving:
                before, _ = await state_of(mesh)
                answer = await offboard(mesh, each)
                after, gone = await state_of(mesh)
                check(before, after, gone, answer)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder)))
