"""Sponsors over the wire: found, listed, and taken out of answering for agents with none left unanswered for."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence_identity.birth_certificate import BirthContent
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import SECOND, Millis
from support.identity.births import COMPLETE
from support.identity.keys import seeded_key
from support.identity.mesh import AUDITOR, OWNER, IdentityMesh, identity_mesh
from support.wire import refusal

ADA, GRACE, EDSGER = "sponsors/ada", "sponsors/grace", "sponsors/edsger"
BACKED_BY_ADA = replace(COMPLETE, sponsor=GRACE, backup_sponsor=ADA)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors("ada", "grace", "edsger")
        yield running


def leaving(name: str = ADA, **fields: Any) -> pb.OffboardSponsorRequest:
    asked: dict[str, Any] = {"reason": "left the company", "new_backup_sponsor": EDSGER, **fields}
    return pb.OffboardSponsorRequest(name=name, **asked)


async def identity_of(mesh: IdentityMesh, did: str) -> pb.AgentIdentity:
    return (await mesh.identity().GetAgentIdentity(pb.GetAgentIdentityRequest(did=did))).identity


async def test_a_sponsor_is_found_by_name_by_anybody_known(mesh: IdentityMesh) -> None:
    found = (await mesh.identity(AUDITOR).GetSponsor(pb.GetSponsorRequest(name=ADA))).sponsor
    assert (found.name, found.display_name, found.verified_by) == (ADA, "Ada", "dev:operator")
    assert not found.HasField("offboard_time")
    missing = await refusal(mesh.identity(AUDITOR).GetSponsor(pb.GetSponsorRequest(name="sponsors/nobody")))
    assert (missing.code, missing.reason) == ("NOT_FOUND", "SPONSOR_NOT_FOUND")
    malformed = await refusal(mesh.identity(AUDITOR).GetSponsor(pb.GetSponsorRequest(name="ada")))
    assert (malformed.code, malformed.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    unknown = await refusal(mesh.identity(ANONYMOUS).GetSponsor(pb.GetSponsorRequest(name=ADA)))
    assert unknown.code == "UNAUTHENTICATED"


async def test_sponsors_are_listed_by_name_a_page_at_a_time(mesh: IdentityMesh) -> None:
    first = await mesh.identity(OWNER).ListSponsors(pb.ListSponsorsRequest(page_size=2))
    assert [sponsor.name for sponsor in first.sponsors] == [ADA, EDSGER]
    rest = await mesh.identity(OWNER).ListSponsors(
        pb.ListSponsorsRequest(page_size=2, page_token=first.next_page_token)
    )
    assert [sponsor.name for sponsor in rest.sponsors] == [GRACE]
    assert rest.next_page_token == ""


async def test_the_off_boarded_are_listed_when_asked_for(mesh: IdentityMesh) -> None:
    await mesh.identity().OffboardSponsor(leaving())
    present = await mesh.identity(OWNER).ListSponsors(pb.ListSponsorsRequest())
    assert [sponsor.name for sponsor in present.sponsors] == [EDSGER, GRACE]
    every = await mesh.identity(OWNER).ListSponsors(pb.ListSponsorsRequest(show_offboarded=True))
    assert [sponsor.name for sponsor in every.sponsors] == [ADA, EDSGER, GRACE]
    assert [sponsor.HasField("offboard_time") for sponsor in every.sponsors] == [True, False, False]


async def test_a_page_token_of_sponsors_is_good_for_its_caller_and_its_question(mesh: IdentityMesh) -> None:
    token = (await mesh.identity(OWNER).ListSponsors(pb.ListSponsorsRequest(page_size=1))).next_page_token
    of_another = await refusal(mesh.identity(AUDITOR).ListSponsors(pb.ListSponsorsRequest(page_token=token)))
    assert (of_another.code, of_another.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")
    another = pb.ListSponsorsRequest(page_token=token, show_offboarded=True)
    assert (await refusal(mesh.identity(OWNER).ListSponsors(another))).reason == "PAGE_TOKEN_INVALID"


async def test_agents_do_not_list_sponsors(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    own = Caller(principal=agent.did, roles=frozenset({Role.AGENT}), environment="prod")
    refused = await refusal(mesh.identity(own).ListSponsors(pb.ListSponsorsRequest()))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_agents_go_to_their_backup_sponsor_with_a_new_certificate(mesh: IdentityMesh) -> None:
    before = (await mesh.enrol()).identity
    gone = await mesh.identity().OffboardSponsor(leaving())
    assert gone.sponsor.HasField("offboard_time")
    assert list(gone.handed_over) == [before.did]
    assert list(gone.suspended) == list(gone.backup_replaced) == []
    after = await identity_of(mesh, before.did)
    assert after.status == pb.IDENTITY_STATUS_ACTIVE
    assert (after.birth_certificate.sponsor, after.birth_certificate.backup_sponsor) == (GRACE, EDSGER)
    assert after.birth_certificate_serial == before.birth_certificate_serial + 1
    assert after.birth_certificate_hash != before.birth_certificate_hash
    assert after.revocation_epoch == before.revocation_epoch + 1
    assert after.birth_certificate.purpose == before.birth_certificate.purpose
    assert (await mesh.token(after)).access_token


async def test_agents_of_every_environment_are_handed_over_at_once(mesh: IdentityMesh) -> None:
    places = [("prod", 1), ("staging", 2), ("dev", 3)]
    dids = [(await mesh.enrol(key=seeded_key(number), environment=where)).identity.did for where, number in places]
    gone = await mesh.identity().OffboardSponsor(leaving())
    assert sorted(gone.handed_over) == sorted(dids)


async def test_an_agent_whose_backup_is_gone_as_well_is_suspended(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    # Of those Grace leaves behind, nobody backs Ada's agent up any more.
    await mesh.identity().OffboardSponsor(leaving(GRACE, new_backup_sponsor=""))
    gone = await mesh.identity().OffboardSponsor(leaving(ADA))
    assert (list(gone.suspended), list(gone.handed_over)) == ([agent.did], [])
    after = await identity_of(mesh, agent.did)
    assert after.status == pb.IDENTITY_STATUS_SUSPENDED
    assert after.suspension_cause == pb.SUSPENSION_CAUSE_SPONSOR_GONE
    assert "left the company" in after.suspension_reason
    refused = await refusal(mesh.token(after))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "AGENT_SUSPENDED")


async def test_all_are_suspended_when_the_request_says_so(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    gone = await mesh.identity().OffboardSponsor(leaving(policy=pb.OFFBOARD_POLICY_SUSPEND, new_backup_sponsor=""))
    assert (list(gone.suspended), list(gone.handed_over)) == ([agent.did], [])


async def test_what_was_suspended_stays_suspended_for_what_it_was(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    other = (await mesh.enrol("other", key=seeded_key(2))).identity
    await mesh.identity().Suspend(pb.SuspendRequest(did=agent.did, reason="looked odd"))
    gone = await mesh.identity().OffboardSponsor(leaving(policy=pb.OFFBOARD_POLICY_SUSPEND))
    assert list(gone.suspended) == [other.did]
    assert (await identity_of(mesh, agent.did)).suspension_cause == pb.SUSPENSION_CAUSE_OPERATOR
    # Lifted it cannot be all the same: nobody answers for it.
    refused = await refusal(mesh.identity().Reinstate(pb.ReinstateRequest(did=agent.did, reason="looked at")))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "SPONSOR_OFFBOARDED")


async def test_a_suspended_agent_is_handed_over_suspended(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    await mesh.identity().Suspend(pb.SuspendRequest(did=agent.did, reason="looked odd"))
    await mesh.identity().OffboardSponsor(leaving())
    after = await identity_of(mesh, agent.did)
    assert (after.status, after.birth_certificate.sponsor) == (pb.IDENTITY_STATUS_SUSPENDED, GRACE)


async def test_agents_they_backed_up_get_the_new_backup(mesh: IdentityMesh) -> None:
    backed = (await mesh.enrol(content=BACKED_BY_ADA)).identity
    gone = await mesh.identity().OffboardSponsor(leaving())
    assert (list(gone.backup_replaced), list(gone.handed_over)) == ([backed.did], [])
    after = await identity_of(mesh, backed.did)
    assert (after.birth_certificate.sponsor, after.birth_certificate.backup_sponsor) == (GRACE, EDSGER)
    assert after.birth_certificate_serial == 2


async def test_nobody_backs_themselves_up(mesh: IdentityMesh) -> None:
    backed = (await mesh.enrol(content=BACKED_BY_ADA)).identity
    gone = await mesh.identity().OffboardSponsor(leaving(new_backup_sponsor=GRACE))
    assert list(gone.backup_replaced) == []
    assert await identity_of(mesh, backed.did) == backed


async def test_handing_over_needs_another_backup_and_changes_nothing_without(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    for unfit in ("", GRACE):
        refused = await refusal(mesh.identity().OffboardSponsor(leaving(new_backup_sponsor=unfit)))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert list(refused.violations) == ["new_backup_sponsor"]
    assert await identity_of(mesh, agent.did) == agent
    assert not (await mesh.identity().GetSponsor(pb.GetSponsorRequest(name=ADA))).sponsor.HasField("offboard_time")


async def test_the_new_backup_must_be_somebody_else_who_is_there(mesh: IdentityMesh) -> None:
    own = await refusal(mesh.identity().OffboardSponsor(leaving(new_backup_sponsor=ADA)))
    assert (own.code, own.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    unknown = await refusal(mesh.identity().OffboardSponsor(leaving(new_backup_sponsor="sponsors/nobody")))
    assert (unknown.code, unknown.reason) == ("NOT_FOUND", "SPONSOR_NOT_FOUND")
    await mesh.identity().OffboardSponsor(leaving(EDSGER, new_backup_sponsor=""))
    left = await refusal(mesh.identity().OffboardSponsor(leaving()))
    assert (left.code, left.reason, left.metadata["sponsor"]) == ("FAILED_PRECONDITION", "SPONSOR_OFFBOARDED", EDSGER)


async def test_off_boarding_is_for_good_and_for_those_who_exist(mesh: IdentityMesh) -> None:
    unknown = await refusal(mesh.identity().OffboardSponsor(leaving("sponsors/nobody")))
    assert (unknown.code, unknown.reason) == ("NOT_FOUND", "SPONSOR_NOT_FOUND")
    await mesh.identity().OffboardSponsor(leaving())
    again = await refusal(mesh.identity().OffboardSponsor(leaving()))
    assert (again.code, again.reason) == ("FAILED_PRECONDITION", "SPONSOR_OFFBOARDED")
    taken = pb.RegisterSponsorRequest(sponsor_id="ada", sponsor=pb.Sponsor(display_name="A", contact="a@example.com"))
    assert (await refusal(mesh.identity().RegisterSponsor(taken))).reason == "SPONSOR_ALREADY_EXISTS"


async def test_everything_wrong_with_the_request_is_said_at_once(mesh: IdentityMesh) -> None:
    unknown: Any = 9
    wrong = pb.OffboardSponsorRequest(name="ada", policy=unknown, new_backup_sponsor="grace", etag="7", request_id="x")
    refused = await refusal(mesh.identity().OffboardSponsor(wrong))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == {"name", "policy", "new_backup_sponsor", "reason", "etag", "request_id"}


async def test_the_etag_guards_against_a_stale_decision(mesh: IdentityMesh) -> None:
    etag = (await mesh.identity().GetSponsor(pb.GetSponsorRequest(name=ADA))).sponsor.etag
    stale = await refusal(mesh.identity().OffboardSponsor(leaving(etag='"1-00000000"')))
    assert (stale.code, stale.reason) == ("ABORTED", "ETAG_MISMATCH")
    assert stale.metadata["current_etag"] == etag
    gone = await mesh.identity().OffboardSponsor(leaving(etag=etag))
    assert gone.sponsor.etag != etag


async def test_a_repeated_off_boarding_gets_its_first_answer(mesh: IdentityMesh) -> None:
    await mesh.enrol()
    request = leaving(request_id=str(uuid.uuid4()))
    first = await mesh.identity().OffboardSponsor(request)
    assert await mesh.identity().OffboardSponsor(request) == first
    other = leaving(request_id=request.request_id, policy=pb.OFFBOARD_POLICY_SUSPEND)
    assert (await refusal(mesh.identity().OffboardSponsor(other))).reason == "REQUEST_ID_REUSED"


async def test_of_two_off_boardings_at_once_one_wins(mesh: IdentityMesh) -> None:
    agent = (await mesh.enrol()).identity
    stub = mesh.identity()
    answers = await asyncio.gather(*(stub.OffboardSponsor(leaving()) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(answer, pb.OffboardSponsorResponse) for answer in answers) == 1
    assert (await identity_of(mesh, agent.did)).birth_certificate_serial == 2


async def test_only_the_platform_off_boards(mesh: IdentityMesh) -> None:
    refused = await refusal(mesh.identity(OWNER).OffboardSponsor(leaving()))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


@pytest.mark.parametrize("part", ["sponsor", "backup_sponsor", "waiver"])
async def test_who_has_left_can_neither_answer_nor_back_up_nor_waive(mesh: IdentityMesh, part: str) -> None:
    contents = {
        "sponsor": COMPLETE,
        "backup_sponsor": BACKED_BY_ADA,
        "waiver": _waived_by_ada(),
    }
    await mesh.identity().OffboardSponsor(leaving())
    refused = await refusal(mesh.enrol(environment="dev", content=contents[part]))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "SPONSOR_OFFBOARDED")
    assert refused.metadata == {"sponsor": ADA}


async def test_an_enrolment_begun_before_is_not_completed_after(mesh: IdentityMesh) -> None:
    request = await mesh.answer()
    await mesh.identity().OffboardSponsor(leaving())
    refused = await refusal(mesh.identity().CompleteRegistration(request))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "SPONSOR_OFFBOARDED")


async def test_it_holds_after_a_restart(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path) as mesh:
        await mesh.with_sponsors("ada", "grace", "edsger")
        agent = (await mesh.enrol()).identity
        await mesh.identity().OffboardSponsor(leaving())
        after = await identity_of(mesh, agent.did)
    mesh.clock.advance(Millis(SECOND))
    async with identity_mesh(tmp_path, clock=mesh.clock) as again:
        assert await identity_of(again, agent.did) == after
        refused = await refusal(again.begin("late"))
        assert refused.reason == "SPONSOR_OFFBOARDED"


def _waived_by_ada() -> BirthContent:
    gate = replace(COMPLETE.evaluation_plan.gates[0], result_micros=None, evidence_hash="", waived_by=ADA)
    plan = replace(COMPLETE.evaluation_plan, gates=(gate,))
    return replace(COMPLETE, sponsor=GRACE, backup_sponsor=EDSGER, evaluation_plan=plan)
