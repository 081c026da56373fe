"""How to get through without leave, or twice with it: each attempt named, and that it does not help."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ringfence.extauthz.v3 import ext_authz_pb2_grpc
from ringfence.pdp.v1 import approval_pb2 as pb
from ringfence.pdp.v1 import decision_pb2
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, HOUR, Millis
from support.pdp.gateway import envoy_request
from support.pdp.served import ANALYST, ANALYST_DID, ServedPdp, identity, question, served_pdp, stop
from support.wire import refusal

ALLOW, ASKS = decision_pb2.EFFECT_ALLOW, decision_pb2.EFFECT_REQUIRE_APPROVAL
POLICY = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: house}
spec:
  rules:
    - {name: read, match: {actions: ["read_*"]}, effect: ALLOW}
    - name: delete
      match: {actions: ["delete_*"]}
      effect: REQUIRE_APPROVAL
      approval: {min_approvals: 1, approvers: ["group:oncall"], timeout: 1h}
    - name: pay
      match: {actions: ["pay_*"]}
      effect: REQUIRE_APPROVAL
      approval: {min_approvals: 1, approvers: ["group:oncall", "group:finance"], timeout: 1h}
  limits:
    - {name: spend, budget: {tokens: 100}, window: 1d, per: agent}
    - {name: sessions, rate: 2/1m, per: session, match: {actions: ["read_session"]}}
"""


def person(name: str, *groups: str, roles: frozenset[Role] = frozenset(), **more: Any) -> Caller:
    return Caller(principal=name, roles=roles | {Role.APPROVER}, groups=frozenset(groups), **more)


ADA = person("ada", "oncall")


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push(POLICY)
        yield served


async def ask(pdp: ServedPdp, **fields: Any) -> decision_pb2.CheckResponse:
    return await pdp.check(**{"action": "delete_table", "arguments": {"table": "orders"}, **fields})


async def approve(pdp: ServedPdp, name: str, who: Caller = ADA) -> pb.Approval:
    return (await pdp.approvals(who).Approve(pb.ApproveRequest(name=name))).approval


def using(tokens: int) -> dict[str, Any]:
    return {"usage": decision_pb2.Usage(tokens=tokens)}


async def test_approval_for_other_arguments(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    await approve(pdp, name)
    for cheat in ({"arguments": {"table": "orders", "cascade": True}}, {"arguments": {"table": ["orders"]}}):
        assert (await ask(pdp, **cheat, approval=name)).effect == ASKS


async def test_approval_for_the_same_path_elsewhere(pdp: ServedPdp) -> None:
    """A gateway names a path; on another host, with another query or body, it is another place."""
    gateway = Caller(principal="gateway", roles=frozenset({Role.GATEWAY}), agents=frozenset({ANALYST}))
    stub: Any = ext_authz_pb2_grpc.AuthorizationStub(pdp.channel(gateway))

    async def sent(message: Any = None, *, path: str = "/orders?id=1", host: str = "a.example", shown: str = "") -> str:
        shows = [("x-ringfence-approval", shown)] if shown else []
        request = envoy_request(message, method="DELETE", path=path, profile="http", headers=shows)
        request.attributes.request.http.host = host
        answer = await stub.Check(request)
        return "" if answer.status.code == 0 else str(answer.dynamic_metadata["approval"])

    name = await sent()
    await approve(pdp, name)
    for cheat in ({"host": "b.example"}, {"path": "/orders?id=2"}, {"path": "/orders"}, {"message": b"all"}):
        assert await sent(**cheat, shown=name) not in ("", name)
    assert await sent(host="A.example.:443", shown=name) == ""


async def test_arguments_that_only_look_alike_are_others(pdp: ServedPdp) -> None:
    name = (await ask(pdp, arguments={"rows": 1})).approval.approval
    for cheat in ({"rows": "1"}, {"rows": True}, {"Rows": 1}, {"rows": 1.0000000001}, {"rows": 1, "x": None}):
        assert (await ask(pdp, arguments=cheat)).approval.approval != name
    assert (await ask(pdp, arguments={"rows": 1.0})).approval.approval == name  # one number, spelled two ways


async def test_a_digest_of_other_arguments_than_are_sent(pdp: ServedPdp) -> None:
    opened = await ask(pdp)
    approved = (await pdp.approvals().GetApproval(pb.GetApprovalRequest(name=opened.approval.approval))).approval
    asked = question(action="delete_table", arguments={"table": "customers"})
    asked.action.arguments_digest = approved.arguments_digest
    assert (await refusal(pdp.decisions().Check(asked))).reason == "INVALID_REQUEST"
    kept = question(action="delete_table")
    kept.action.arguments_digest = approved.arguments_digest
    assert (await pdp.decisions().Check(kept)).approval.approval == approved.name


async def test_approval_race(pdp: ServedPdp) -> None:
    await approve(pdp, (await ask(pdp)).approval.approval)
    answers = await asyncio.gather(*(ask(pdp) for _ in range(16)))
    assert [answer.effect for answer in answers].count(ALLOW) == 1


async def test_votes_that_race_do_not_count_twice(pdp: ServedPdp) -> None:
    name = (await ask(pdp, action="pay_invoice")).approval.approval
    both = person("ada", "oncall", "finance")
    votes = await asyncio.gather(*(approve(pdp, name, both) for _ in range(4)), return_exceptions=True)
    assert sum(not isinstance(vote, BaseException) for vote in votes) == 1
    assert (await ask(pdp, action="pay_invoice")).effect == ASKS


async def test_one_person_in_two_groups_is_one_person(pdp: ServedPdp) -> None:
    opened = await ask(pdp, action="pay_invoice")
    assert opened.approval.min_approvals == 2
    name = opened.approval.approval
    assert (await approve(pdp, name, person("ada", "oncall", "finance"))).state == pb.APPROVAL_STATE_PENDING
    assert (await approve(pdp, name, person("bob", "oncall"))).state == pb.APPROVAL_STATE_APPROVED


async def test_replayed_approval(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    await approve(pdp, name)
    assert (await ask(pdp, approval=name)).effect == ALLOW
    assert (await refusal(approve(pdp, name, person("bob", "oncall")))).reason == "APPROVAL_NOT_PENDING"
    assert (await ask(pdp, approval=name)).effect == ASKS


async def test_an_approval_of_another_identity_of_the_same_name(pdp: ServedPdp) -> None:
    other = "did:webvh:QmOther:dev.id.ringfence.internal:agents:QmOther"
    name = (await ask(pdp, did=ANALYST_DID, name="")).approval.approval
    await approve(pdp, name)
    pdp.around.identity.agents.say(identity(pdp.clock, did=other))
    answer = await ask(pdp, did=other, name="", approval=name)
    while answer.reason == decision_pb2.DECISION_REASON_AGENT_UNKNOWN:
        answer = await ask(pdp, did=other, name="", approval=name)
    assert answer.effect == ASKS
    assert answer.approval.approval != name


async def test_self_approval(pdp: ServedPdp) -> None:
    itself = Caller(principal=ANALYST_DID, roles=frozenset({Role.AGENT}), environment="dev")
    name = (await ask(pdp, caller=itself)).approval.approval
    assert (await refusal(approve(pdp, name, itself))).reason == "NOT_PERMITTED"
    front = person("front", "oncall", roles=frozenset({Role.GATEWAY}), agents=frozenset({ANALYST_DID}))
    assert (await refusal(approve(pdp, name, front))).reason == "APPROVER_NOT_ELIGIBLE"


async def test_vote_by_the_agents_owners_session(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    keeper = person("olga", "oncall", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"data"}))
    for owner in (keeper, person("data@example.com", "oncall"), person("Data@Example.com", "oncall")):
        assert (await refusal(approve(pdp, name, owner))).reason == "APPROVER_NOT_ELIGIBLE"
    assert (await ask(pdp)).effect == ASKS


async def test_voter_without_group(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    for outsider in (person("eve"), person("eve", "sales"), person("eve", "group:oncall"), person("eve", "ONCALL")):
        assert (await refusal(approve(pdp, name, outsider))).reason == "APPROVER_NOT_ELIGIBLE"
    claims = replace(ADA, principal="eve", roles=frozenset({Role.AUDITOR}))
    assert (await refusal(approve(pdp, name, claims))).reason == "NOT_PERMITTED"


async def test_an_approver_of_other_namespaces(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    elsewhere = person("ada", "oncall", namespaces=frozenset({"sales"}))
    assert (await refusal(approve(pdp, name, elsewhere))).reason == "APPROVAL_NOT_FOUND"


async def test_a_late_vote_after_the_clock_was_set_back(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    pdp.clock.advance(HOUR)
    assert (await ask(pdp)).reason != decision_pb2.DECISION_REASON_ALLOWED
    pdp.clock.advance(Millis(-HOUR))
    assert (await refusal(approve(pdp, name))).reason == "APPROVAL_NOT_PENDING"
    assert (await ask(pdp)).effect != ALLOW


async def test_double_spend_of_a_budget(pdp: ServedPdp) -> None:
    answers = await asyncio.gather(*(pdp.check(**using(30)) for _ in range(8)))
    assert [answer.effect for answer in answers].count(ALLOW) == 3
    one = question(**using(10))
    batch = await pdp.decisions().BatchCheck(decision_pb2.BatchCheckRequest(requests=[one, one]))
    assert [result.response.effect for result in batch.results].count(ALLOW) == 1


async def test_clock_set_back_to_a_window_that_is_over(pdp: ServedPdp) -> None:
    assert (await pdp.check(**using(100))).effect == ALLOW
    pdp.clock.advance(Millis(-2 * DAY))
    pdp.around.identity.agents.say(identity(pdp.clock))
    assert (await pdp.check(**using(1))).effect != ALLOW


async def test_a_session_for_every_call(pdp: ServedPdp) -> None:
    for each in range(3):
        assert (await pdp.check(action="read_session", session=f"s-{each}")).effect == ALLOW
    assert (await pdp.check(action="read_session", session="s-0")).effect == ALLOW
    assert (await pdp.check(action="read_session", session="s-0")).reason == decision_pb2.DECISION_REASON_RATE_LIMITED


async def test_a_budget_that_says_it_uses_nothing(pdp: ServedPdp) -> None:
    assert (await pdp.check(**using(100))).effect == ALLOW
    assert (await pdp.check()).reason == decision_pb2.DECISION_REASON_BUDGET_EXHAUSTED


async def test_an_amount_below_nothing_gives_nothing_back(pdp: ServedPdp) -> None:
    assert (await pdp.check(**using(90))).effect == ALLOW
    assert (await refusal(pdp.check(**using(-90)))).reason == "INVALID_REQUEST"
    assert (await pdp.check(**using(20))).reason == decision_pb2.DECISION_REASON_BUDGET_EXHAUSTED


async def test_an_approved_call_of_an_agent_that_was_stopped_meanwhile(pdp: ServedPdp) -> None:
    name = (await ask(pdp)).approval.approval
    await approve(pdp, name)
    switch = (await pdp.switches().EngageKillSwitch(stop(agent=ANALYST))).kill_switch
    assert (await ask(pdp)).reason == decision_pb2.DECISION_REASON_KILLED
    state = (await pdp.approvals().GetApproval(pb.GetApprovalRequest(name=name))).approval.state
    assert (state, bool(switch.name)) == (pb.APPROVAL_STATE_APPROVED, True)


async def test_a_worker_that_missed_a_kill(tmp_path: Path) -> None:
    # What it answered before carries a lower epoch than what anybody answers after, so nobody has to rely on it.
    async with served_pdp(tmp_path) as first:
        await first.push(POLICY)
        before = await first.check()
        await first.switches().EngageKillSwitch(stop(agent=ANALYST))
        after = await first.check()
        assert after.reason == decision_pb2.DECISION_REASON_KILLED
        assert after.epoch > before.epoch
    async with served_pdp(tmp_path) as restarted:
        again = await restarted.check()
        assert again.reason == decision_pb2.DECISION_REASON_KILLED
        assert again.epoch > before.epoch
