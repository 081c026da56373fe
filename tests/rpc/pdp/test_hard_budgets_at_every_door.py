"""A hard budget that telemetry says is used up denies through every door, until it is renewed."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.extauthz.v3 import ext_authz_pb2_grpc
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.telemetry.v1 import budget_pb2
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import HOUR
from support.pdp.gateway import envoy_request, rpc
from support.pdp.served import ANALYST, ANALYST_DID, ServedPdp, question, served_pdp

GATEWAY = Caller(principal="gateway", roles=frozenset({Role.GATEWAY}), agents=frozenset({ANALYST}))
POLICY = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: house}
spec:
  rules:
    - {name: all, match: {actions: ["*"]}, effect: ALLOW}
"""
DAILY = budget_pb2.Budget(
    name="budgets/daily",
    scope=budget_pb2.BUDGET_SCOPE_AGENT,
    unit=budget_pb2.BUDGET_UNIT_TOKENS,
    amount=1_000,
    hard=True,
)


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push(POLICY)
        await served.knows(lambda answer: answer.effect == pb.EFFECT_ALLOW)
        served.around.telemetry.budgets.set(DAILY)
        yield served


def says(pdp: ServedPdp, subject: str = ANALYST, *, exhausted: bool = True) -> None:
    state = budget_pb2.BUDGET_STATE_EXHAUSTED if exhausted else budget_pb2.BUDGET_STATE_SOFT
    ends = Timestamp()
    ends.FromMilliseconds(pdp.clock.now() + HOUR)
    pdp.around.telemetry.budgets.stands(
        budget_pb2.BudgetStatus(
            budget="budgets/daily", subject=subject, spent=1_234, amount=1_000, state=state, period_end_time=ends
        )
    )


async def used_up(pdp: ServedPdp) -> None:
    says(pdp)
    await pdp.knows(lambda answer: answer.reason == pb.DECISION_REASON_BUDGET_EXHAUSTED)


MESSAGE = f"budgets/daily of {ANALYST} is used up: 1,234 tokens of 1,000 tokens is spent; it is renewed at 2026-01-01 "


async def test_every_way_to_ask_is_answered_alike(pdp: ServedPdp) -> None:
    await used_up(pdp)
    request, decisions = question(), pdp.decisions(GATEWAY)
    checked = await decisions.Check(request)
    batch = await decisions.BatchCheck(pb.BatchCheckRequest(requests=[request, question(did=ANALYST_DID, name="")]))
    explained = await pdp.decisions().Explain(pb.ExplainRequest(request=request))
    stream: Any = decisions.CheckStream()
    await stream.write(pb.CheckStreamRequest(id=7, request=request))
    while not (said := await asyncio.wait_for(stream.read(), 10)).HasField("answer"):
        pass
    stream.cancel()
    answers = [checked, *(each.response for each in batch.results), explained.response, said.answer.response]
    assert {answer.reason for answer in answers} == {pb.DECISION_REASON_BUDGET_EXHAUSTED}
    assert {answer.effect for answer in answers} == {pb.EFFECT_DENY}
    assert checked.message.startswith(MESSAGE)
    assert checked.retry_after.ToMilliseconds() == HOUR
    assert not checked.HasField("cache")
    stage = next(one for one in explained.stages if one.stage == "limits")
    assert stage.detail.startswith(MESSAGE)


async def test_a_gateway_is_told_to_come_back(pdp: ServedPdp) -> None:
    await used_up(pdp)
    stub: Any = ext_authz_pb2_grpc.AuthorizationStub(pdp.channel(GATEWAY))
    answer = await stub.Check(envoy_request(rpc("tools/call", {"name": "query", "arguments": {}})))
    assert answer.denied_response.status.code == 429
    error = json.loads(answer.denied_response.body)["error"]
    assert error["data"]["reason"] == "BUDGET_EXHAUSTED"
    headers = {each.header.key: each.header.value for each in answer.denied_response.headers}
    assert headers["retry-after"] == str(HOUR // 1_000)


async def test_authzen_says_the_same(pdp: ServedPdp) -> None:
    await used_up(pdp)
    body = {
        "subject": {"type": "agent", "id": ANALYST_DID},
        "action": {"name": "read_table"},
        "resource": {"type": "table", "id": "orders"},
        "context": {"environment": "dev"},
    }
    async with httpx.AsyncClient(base_url=f"http://{pdp.mesh.address('pdp.http_listen')}") as client:
        headers = {"content-type": "application/json", **dict(pdp.mesh.metadata(GATEWAY))}
        response = await client.post("/access/v1/evaluation", content=json.dumps(body).encode(), headers=headers)
    answer = response.json()
    assert (answer["decision"], answer["context"]["reason"]) == (False, "BUDGET_EXHAUSTED")


async def test_no_tool_is_listed(pdp: ServedPdp) -> None:
    request = pb.ListAllowedToolsRequest(subject=pb.Subject(agent=ANALYST), environment="dev")
    listed = await pdp.decisions().ListAllowedTools(request)
    assert [each.tool for each in listed.tools] == ["warehouse.query"]
    await used_up(pdp)
    assert not (await pdp.decisions().ListAllowedTools(request)).tools
    request.show_denied = True
    (denied,) = (await pdp.decisions().ListAllowedTools(request)).tools
    assert denied.reason == pb.DECISION_REASON_BUDGET_EXHAUSTED


async def test_the_new_period_allows_before_telemetry_says_so(pdp: ServedPdp) -> None:
    await used_up(pdp)
    pdp.clock.advance(HOUR)
    pdp.around.identity.agents.beat()
    pdp.around.identity.revocations.beat()
    pdp.around.telemetry.budgets.beat()
    await pdp.knows(lambda answer: answer.effect == pb.EFFECT_ALLOW)


async def test_raised_or_taken_back_it_allows_again(pdp: ServedPdp) -> None:
    for subject in (ANALYST, ANALYST_DID):
        says(pdp, subject)
        await pdp.knows(lambda answer: answer.reason == pb.DECISION_REASON_BUDGET_EXHAUSTED)
        says(pdp, subject, exhausted=False)
        await pdp.knows(lambda answer: answer.effect == pb.EFFECT_ALLOW)


async def test_a_cached_answer_is_taken_back(pdp: ServedPdp) -> None:
    stream: Any = pdp.decisions(GATEWAY).CheckStream()
    await stream.write(pb.CheckStreamRequest(id=1, request=question()))
    while not (said := await asyncio.wait_for(stream.read(), 10)).HasField("answer"):
        pass
    assert said.answer.response.effect == pb.EFFECT_ALLOW
    says(pdp)
    while not (said := await asyncio.wait_for(stream.read(), 10)).HasField("invalidate"):
        pass
    stream.cancel()
    assert said.invalidate.epoch


async def test_others_spend_on(pdp: ServedPdp) -> None:
    says(pdp, "namespaces/data/agents/other")
    await used_up(pdp)
    says(pdp, exhausted=False)
    await pdp.knows(lambda answer: answer.effect == pb.EFFECT_ALLOW)


async def test_when_telemetry_is_silent_whoever_has_a_hard_budget_is_denied(pdp: ServedPdp) -> None:
    pdp.clock.advance(HOUR)
    pdp.around.identity.agents.beat()
    pdp.around.identity.revocations.beat()
    await pdp.knows(
        lambda answer: answer.reason == pb.DECISION_REASON_FACTS_STALE and "budgets/daily" in answer.message
    )
    pdp.around.telemetry.budgets.beat()
    await pdp.knows(lambda answer: answer.effect == pb.EFFECT_ALLOW)
