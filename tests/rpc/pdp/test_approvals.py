"""Approvals over the wire: a decision asks people, they answer, and the same question is let through once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringfence.pdp.v1 import approval_pb2 as pb
from ringfence.pdp.v1 import decision_pb2
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Millis
from support.pdp.served import ANALYST, ANALYST_DID, POLICY, ServedPdp, push, question, served_pdp
from support.wire import refusal

ALLOW, DENY = decision_pb2.EFFECT_ALLOW, decision_pb2.EFFECT_DENY
ASKS = decision_pb2.EFFECT_REQUIRE_APPROVAL
HALF_AN_HOUR = Millis(30 * 60_000)
NOBODYS = "approvals/00000000-0000-4000-8000-000000000000"
REQUEST_ID = "6d7c2b1e-8f5a-4d0c-9b3e-2a1f0c9d8e7f"


def person(name: str, *groups: str, **more: Any) -> Caller:
    return Caller(principal=name, roles=frozenset({Role.APPROVER}), groups=frozenset(groups), **more)


ADA, BOB, CYD = person("ada", "oncall"), person("bob", "oncall"), person("cyd", "oncall", "leads")
ANALYST_ITSELF = Caller(principal=ANALYST_DID, roles=frozenset({Role.AGENT}), environment="dev")


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push()
        yield served


async def ask(pdp: ServedPdp, **fields: Any) -> decision_pb2.CheckResponse:
    return await pdp.check(**{"action": "delete_table", "arguments": {"table": "orders"}, **fields})


async def approve(pdp: ServedPdp, who: Caller, name: str, **fields: Any) -> pb.Approval:
    return (await pdp.approvals(who).Approve(pb.ApproveRequest(name=name, **fields))).approval


async def deny(pdp: ServedPdp, who: Caller, name: str, comment: str = "not today") -> pb.Approval:
    return (await pdp.approvals(who).Deny(pb.DenyRequest(name=name, comment=comment))).approval


async def get(pdp: ServedPdp, name: str, who: Caller | None = None) -> pb.Approval:
    stub = pdp.approvals() if who is None else pdp.approvals(who)
    return (await stub.GetApproval(pb.GetApprovalRequest(name=name))).approval


async def test_asked_approved_by_two_used_once_and_asked_anew(pdp: ServedPdp) -> None:
    asked = await ask(pdp)
    assert asked.effect == ASKS
    name = asked.approval.approval
    assert name.startswith("approvals/")
    assert asked.approval.expire_time.ToMilliseconds() == pdp.clock.now() + HALF_AN_HOUR
    assert (await ask(pdp)).approval.approval == name
    await approve(pdp, ADA, name)
    assert (await ask(pdp)).effect == ASKS
    assert (await approve(pdp, BOB, name)).state == pb.APPROVAL_STATE_APPROVED
    allowed = await ask(pdp)
    assert (allowed.effect, allowed.reason) == (ALLOW, decision_pb2.DECISION_REASON_ALLOWED)
    assert "approved by test:ada, test:bob" in allowed.message
    used = await get(pdp, name)
    assert (used.state, used.used_by_decision_id) == (pb.APPROVAL_STATE_USED, allowed.decision_id)
    anew = await ask(pdp)
    assert anew.effect == ASKS
    assert anew.approval.approval != name


async def test_people_see_what_they_approve(pdp: ServedPdp) -> None:
    asked = await ask(pdp, session="s-1")
    shown = await get(pdp, asked.approval.approval, ADA)
    assert (shown.agent, shown.did, shown.environment) == (ANALYST, ANALYST_DID, "dev")
    assert (shown.action, shown.resource_type, shown.resource_id) == ("delete_table", "table", "orders")
    assert dict(shown.arguments) == {"table": "orders"}
    assert (shown.min_approvals, list(shown.approver_groups)) == (2, ["group:oncall"])
    assert (list(shown.rules), shown.decision_id, shown.session) == (["house/delete"], asked.decision_id, "s-1")
    assert shown.bundle_digest == asked.bundle_digest
    assert shown.binding_digest.startswith("sha256-")
    assert shown.state == pb.APPROVAL_STATE_PENDING


async def test_approval_for_other_arguments_opens_nothing(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    for who in (ADA, BOB):
        await approve(pdp, who, name)
    for other in (
        {"arguments": {"table": "customers"}},
        {"arguments": None},
        {"labels": {"tier": "gold"}},
        {"action": "delete_schema"},
        {"tool": "warehouse.query"},
    ):
        answer = await ask(pdp, **other, approval=name)
        assert answer.effect == ASKS
        assert answer.approval.approval != name
    assert (await ask(pdp)).effect == ALLOW


async def test_a_new_bundle_is_another_question(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    for who in (ADA, BOB):
        await approve(pdp, who, name)

    await pdp.bundles().PushBundle(push(POLICY.replace(b"SECRET", b"HIDDEN")))
    answer = await ask(pdp)
    assert answer.effect == ASKS
    assert answer.approval.approval != name


async def test_calls_that_race_are_let_through_once(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    for who in (ADA, BOB):
        await approve(pdp, who, name)
    answers = await asyncio.gather(*(ask(pdp) for _ in range(8)))
    assert [answer.effect for answer in answers].count(ALLOW) == 1
    assert {answer.effect for answer in answers} == {ALLOW, ASKS}


async def test_equal_questions_of_one_batch_are_let_through_once(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    for who in (ADA, BOB):
        await approve(pdp, who, name)
    one = question(action="delete_table", arguments={"table": "orders"})
    batch = await pdp.decisions().BatchCheck(decision_pb2.BatchCheckRequest(requests=[one, one]))
    assert [result.response.effect for result in batch.results] == [ALLOW, ASKS]


async def test_a_replayed_approval_opens_nothing(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    for who in (ADA, BOB):
        await approve(pdp, who, name)
    assert (await ask(pdp, approval=name)).effect == ALLOW
    assert (await ask(pdp, approval=name)).effect == ASKS


async def test_what_was_denied_stays_denied_for_as_long_as_the_approval_would_have_held(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    await deny(pdp, ADA, name)
    assert (await deny(pdp, BOB, name)).state == pb.APPROVAL_STATE_DENIED
    refused = await ask(pdp)
    assert (refused.effect, refused.reason) == (DENY, decision_pb2.DECISION_REASON_APPROVAL_REFUSED)
    assert f"{name} was denied: not today" in refused.message
    assert refused.retry_after.ToMilliseconds() == HALF_AN_HOUR


async def test_nobody_answers_in_time(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    await approve(pdp, ADA, name)
    pdp.clock.advance(Millis(HALF_AN_HOUR))
    assert (await get(pdp, name)).state == pb.APPROVAL_STATE_EXPIRED
    failed = await refusal(approve(pdp, BOB, name))
    assert (failed.reason, failed.metadata["state"]) == ("APPROVAL_NOT_PENDING", "EXPIRED")


async def test_an_approval_survives_a_restart_in_the_middle(tmp_path: Path) -> None:
    async with served_pdp(tmp_path) as first:
        await first.push()
        name = (await ask(first)).approval.approval
        await approve(first, ADA, name)
    async with served_pdp(tmp_path) as second:
        assert [vote.voter for vote in (await get(second, name)).votes] == ["test:ada"]
        await approve(second, BOB, name)
        assert (await ask(second)).effect == ALLOW
    async with served_pdp(tmp_path) as third:
        assert (await get(third, name)).state == pb.APPROVAL_STATE_USED


class TestWhoMay:
    async def test_self_approval_is_refused(self, pdp: ServedPdp) -> None:
        name = (await ask(pdp, caller=ANALYST_ITSELF)).approval.approval
        assert (await refusal(approve(pdp, ANALYST_ITSELF, name))).reason == "NOT_PERMITTED"

    async def test_who_asked_does_not_vote(self, pdp: ServedPdp) -> None:
        both = Caller(
            principal="ada",
            roles=frozenset({Role.APPROVER, Role.PLATFORM_ADMIN}),
            groups=frozenset({"oncall"}),
        )
        name = (await ask(pdp, caller=both)).approval.approval
        failed = await refusal(approve(pdp, both, name))
        assert failed.reason == "APPROVER_NOT_ELIGIBLE"
        assert "asked for it themselves" in failed.message

    async def test_the_agents_owner_does_not_vote_in_any_session(self, pdp: ServedPdp) -> None:
        name = (await ask(pdp)).approval.approval
        owner = person("data@example.com", "oncall")
        keeper = Caller(
            principal="olga",
            roles=frozenset({Role.APPROVER, Role.NAMESPACE_OWNER}),
            groups=frozenset({"oncall"}),
            namespaces=frozenset({"data"}),
        )
        gateway = Caller(
            principal="front",
            roles=frozenset({Role.APPROVER, Role.GATEWAY}),
            groups=frozenset({"oncall"}),
            agents=frozenset({ANALYST}),
        )
        for who in (owner, keeper, gateway):
            assert (await refusal(approve(pdp, who, name))).reason == "APPROVER_NOT_ELIGIBLE"
        assert (await get(pdp, name)).votes == []

    async def test_a_voter_without_the_group_is_refused_and_sees_nothing(self, pdp: ServedPdp) -> None:
        name = (await ask(pdp)).approval.approval
        stranger = person("eve", "sales")
        assert (await refusal(approve(pdp, stranger, name))).reason == "APPROVER_NOT_ELIGIBLE"
        assert (await refusal(get(pdp, name, stranger))).reason == "APPROVAL_NOT_FOUND"
        assert (await pdp.approvals(stranger).ListApprovals(pb.ListApprovalsRequest())).approvals == []

    async def test_an_administrator_sees_and_calls_off_but_does_not_vote(self, pdp: ServedPdp) -> None:
        name = (await ask(pdp)).approval.approval
        admin = Caller(principal="root", roles=frozenset({Role.PLATFORM_ADMIN}))
        assert (await refusal(approve(pdp, admin, name))).reason == "NOT_PERMITTED"
        cancelled = await pdp.approvals(admin).Cancel(pb.CancelRequest(name=name, reason="by mistake"))
        assert cancelled.approval.state == pb.APPROVAL_STATE_CANCELLED

    async def test_one_vote_a_person(self, pdp: ServedPdp) -> None:
        name = (await ask(pdp)).approval.approval
        await approve(pdp, ADA, name)
        assert (await refusal(approve(pdp, ADA, name))).reason == "ALREADY_VOTED"
        assert (await refusal(deny(pdp, ADA, name))).reason == "ALREADY_VOTED"

    async def test_the_same_vote_sent_twice_is_one(self, pdp: ServedPdp) -> None:
        name = (await ask(pdp)).approval.approval
        first = await approve(pdp, ADA, name, request_id=REQUEST_ID)
        assert await approve(pdp, ADA, name, request_id=REQUEST_ID) == first
        assert (await refusal(approve(pdp, BOB, name, request_id=REQUEST_ID))).reason == "REQUEST_ID_REUSED"

    async def test_a_vote_for_what_was_not_seen_is_none(self, pdp: ServedPdp) -> None:
        name = (await ask(pdp)).approval.approval
        failed = await refusal(approve(pdp, ADA, name, binding_digest=f"sha256-{'0' * 64}"))
        assert failed.reason == "ETAG_MISMATCH"
        await approve(pdp, ADA, name, binding_digest=(await get(pdp, name)).binding_digest)

    async def test_what_is_not_there_is_not_found(self, pdp: ServedPdp) -> None:
        for call in (approve(pdp, ADA, NOBODYS), deny(pdp, ADA, NOBODYS), get(pdp, NOBODYS)):
            assert (await refusal(call)).reason == "APPROVAL_NOT_FOUND"


class TestListing:
    async def test_the_newest_first_page_by_page(self, pdp: ServedPdp) -> None:
        names = []
        for each in range(5):
            names.append((await ask(pdp, arguments={"table": each})).approval.approval)
            pdp.clock.advance(Millis(1))
        stub, found, token = pdp.approvals(ADA), list[str](), ""
        while True:
            page = await stub.ListApprovals(pb.ListApprovalsRequest(page_size=2, page_token=token))
            found += [one.name for one in page.approvals]
            token = page.next_page_token
            if not token:
                break
        assert found == names[::-1]

    async def test_by_state_and_scope(self, pdp: ServedPdp) -> None:
        one, two = [(await ask(pdp, arguments={"t": each})).approval.approval for each in "ab"]
        await pdp.approvals().Cancel(pb.CancelRequest(name=two))
        listed = pdp.approvals().ListApprovals
        pending = await listed(pb.ListApprovalsRequest(state=pb.APPROVAL_STATE_PENDING, scope=ANALYST))
        assert [found.name for found in pending.approvals] == [one]
        assert len((await listed(pb.ListApprovalsRequest(scope="namespaces/data"))).approvals) == 2
        assert (await listed(pb.ListApprovalsRequest(scope="namespaces/sales"))).approvals == []

    async def test_a_watch_tells_what_there_is_and_every_change(self, pdp: ServedPdp) -> None:
        name = (await ask(pdp)).approval.approval
        watching = pdp.approvals(ADA).WatchApprovals(pb.WatchApprovalsRequest(send_initial_state=True))
        events = aiter(watching)
        first, complete = await anext(events), await anext(events)
        assert (first.type, first.approval.name) == (pb.APPROVAL_EVENT_TYPE_ADDED, name)
        assert complete.initial_state_end
        await approve(pdp, ADA, name)
        await approve(pdp, BOB, name)
        states = [(await anext(events)).approval.state for _ in range(2)]
        assert states == [pb.APPROVAL_STATE_PENDING, pb.APPROVAL_STATE_APPROVED]
        watching.cancel()

    async def test_a_watcher_hears_of_nothing_that_is_none_of_theirs(self, pdp: ServedPdp) -> None:
        watching = pdp.approvals(person("eve", "sales")).WatchApprovals(pb.WatchApprovalsRequest())
        events = aiter(watching)
        assert (await anext(events)).type == pb.APPROVAL_EVENT_TYPE_BOOKMARK
        await ask(pdp)
        pdp.clock.advance(Millis(5_000))
        assert (await anext(events)).type == pb.APPROVAL_EVENT_TYPE_BOOKMARK
        watching.cancel()


async def test_a_crowd_of_questions_is_bounded(pdp: ServedPdp) -> None:
    for each in range(20):
        assert (await ask(pdp, arguments={"table": each})).effect == ASKS
    answer = await ask(pdp, arguments={"table": "one too many"})
    assert (answer.effect, answer.reason) == (DENY, decision_pb2.DECISION_REASON_APPROVALS_UNAVAILABLE)
    assert "20 approvals" in answer.message


@pytest.mark.parametrize(
    ("request_type", "fields", "field"),
    [
        (pb.ApproveRequest, {"name": "approvals/x"}, "name"),
        (pb.ApproveRequest, {"name": NOBODYS, "binding_digest": "x"}, "binding_digest"),
        (pb.ApproveRequest, {"name": NOBODYS, "comment": "x" * 501}, "comment"),
        (pb.DenyRequest, {"name": NOBODYS}, "comment"),
        (pb.DenyRequest, {"name": NOBODYS, "comment": "no", "request_id": "x"}, "request_id"),
    ],
)
async def test_a_vote_that_is_none_is_refused_by_field(
    pdp: ServedPdp, request_type: Any, fields: dict[str, Any], field: str
) -> None:
    method = pdp.approvals(ADA).Approve if request_type is pb.ApproveRequest else pdp.approvals(ADA).Deny
    failed = await refusal(method(request_type(**fields)))
    assert failed.reason == "INVALID_REQUEST"
    assert field in failed.violations
