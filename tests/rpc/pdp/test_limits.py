"""Rates and budgets over the wire: what answers tell of them, what there are, and how one stands."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringfence.pdp.v1 import decision_pb2
from ringfence.pdp.v1 import limit_pb2 as pb
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, Millis
from support.pdp.served import ANALYST, ANALYST_DID, ServedPdp, question, served_pdp
from support.wire import refusal

POLICY = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: house}
spec:
  rules:
    - {name: read, match: {actions: ["read_*"]}, effect: ALLOW}
  limits:
    - {name: calls, rate: 3/1m, per: agent}
    - {name: spend, budget: {tokens: 1000, usd: 1.5}, window: 1d, per: namespace, alert_at: [0.5, 0.8]}
"""
KEY = f"agent:{ANALYST}@dev"
SPEND = "namespace:data@dev"
ANALYST_ITSELF = Caller(principal=ANALYST_DID, roles=frozenset({Role.AGENT}), environment="dev")


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push(POLICY)
        yield served


def using(tokens: int = 0, cost_micros: int = 0) -> decision_pb2.Usage:
    return decision_pb2.Usage(tokens=tokens, cost_micros=cost_micros)


async def budget(pdp: ServedPdp, limit: str, key: str, who: Caller | None = None) -> pb.GetBudgetResponse:
    stub = pdp.limits() if who is None else pdp.limits(who)
    return await stub.GetBudget(pb.GetBudgetRequest(limit=limit, key=key))


async def test_an_answer_tells_how_its_limits_stand_those_nearest_to_their_end_first(pdp: ServedPdp) -> None:
    answer = await pdp.check(usage=using(tokens=800))
    told = [(one.limit, one.key, one.unit, one.maximum, one.remaining, list(one.alerts)) for one in answer.limits]
    assert told == [
        ("house/spend.tokens", SPEND, "tokens", 1_000, 200, [0.5, 0.8]),
        ("house/calls", KEY, "requests", 3, 2, []),
        ("house/spend.cost_micros", SPEND, "cost_micros", 1_500_000, 1_500_000, []),
    ]
    assert answer.limits[0].reset_time.ToMilliseconds() % DAY == 0


async def test_too_many_calls_are_denied_with_the_time_to_come_back(pdp: ServedPdp) -> None:
    answers = [await pdp.check() for _ in range(4)]
    assert [one.effect for one in answers].count(decision_pb2.EFFECT_ALLOW) == 3
    assert answers[3].reason == decision_pb2.DECISION_REASON_RATE_LIMITED
    assert answers[3].retry_after.ToMilliseconds() == 20_000
    pdp.clock.advance(Millis(20_000))
    assert (await pdp.check()).effect == decision_pb2.EFFECT_ALLOW


async def test_a_budget_ends_and_begins_anew(pdp: ServedPdp) -> None:
    assert (await pdp.check(usage=using(cost_micros=1_500_000))).effect == decision_pb2.EFFECT_ALLOW
    denied = await pdp.check(usage=using(cost_micros=1))
    assert denied.reason == decision_pb2.DECISION_REASON_BUDGET_EXHAUSTED
    pdp.clock.advance(Millis(denied.retry_after.ToMilliseconds()))
    status = (await budget(pdp, "house/spend.cost_micros", SPEND)).status
    assert status.remaining == 1_500_000


async def test_a_batch_is_counted_in_order(pdp: ServedPdp) -> None:
    batch = await pdp.decisions().BatchCheck(decision_pb2.BatchCheckRequest(requests=[question()] * 5))
    effects = [result.response.effect for result in batch.results]
    assert effects == [decision_pb2.EFFECT_ALLOW] * 3 + [decision_pb2.EFFECT_DENY] * 2


async def test_what_an_agent_is_held_to_comes_with_every_answer_that_lets_it_through(pdp: ServedPdp) -> None:
    limits = (await pdp.check()).resource_limits
    assert (limits.ring, limits.execution_time.seconds, limits.memory_bytes) == (2, 60, 1 << 30)
    assert (limits.cpu_millicores, limits.requests_per_second, limits.request_burst, limits.max_tools) == (
        1_000,
        20,
        40,
        8,
    )
    assert not (await pdp.check(action="drop_table")).HasField("resource_limits")


async def test_the_limits_of_the_bundle_page_by_page(pdp: ServedPdp) -> None:
    first = await pdp.limits().ListLimits(pb.ListLimitsRequest(page_size=2))
    rest = await pdp.limits().ListLimits(pb.ListLimitsRequest(page_size=2, page_token=first.next_page_token))
    names = [limit.name for page in (first, rest) for limit in page.limits]
    assert names == ["house/calls", "house/spend.cost_micros", "house/spend.tokens"]
    calls = first.limits[0]
    assert (calls.budget, calls.unit, calls.per) == (False, pb.LIMIT_UNIT_REQUESTS, pb.LIMIT_PER_AGENT)
    assert (calls.maximum, calls.window.seconds, calls.burst) == (3, 60, 3)
    assert list(rest.limits[0].alert_at) == [0.5, 0.8]


async def test_how_one_limit_stands(pdp: ServedPdp) -> None:
    await pdp.check(usage=using(tokens=10))
    stands = await budget(pdp, "house/spend.tokens", SPEND)
    assert stands.status.remaining == 990
    assert stands.start_time.ToMilliseconds() == pdp.clock.now() - pdp.clock.now() % DAY
    assert (await budget(pdp, "house/calls", "agent:namespaces/data/agents/other@dev")).status.remaining == 3


async def test_an_agent_sees_its_own_an_owner_those_of_its_namespaces(pdp: ServedPdp) -> None:
    await pdp.check()
    assert (await budget(pdp, "house/calls", KEY, ANALYST_ITSELF)).status.remaining == 2
    owner = Caller(principal="olga", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"data"}))
    assert (await budget(pdp, "house/calls", KEY, owner)).status.remaining == 2
    assert (await budget(pdp, "house/spend.tokens", SPEND, owner)).status.remaining == 1_000
    stranger = Caller(principal="olga", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"sales"}))
    for who, key in (
        (ANALYST_ITSELF, SPEND),
        (ANALYST_ITSELF, "agent:namespaces/data/agents/other@dev"),
        (ANALYST_ITSELF, f"agent:{ANALYST}@prod"),
        (stranger, KEY),
        (owner, "everything@dev"),
    ):
        assert (await refusal(budget(pdp, "house/calls", key, who))).reason == "NOT_PERMITTED"


async def test_what_is_no_limit_is_not_found_and_only_told_to_who_may_look(pdp: ServedPdp) -> None:
    assert (await refusal(budget(pdp, "house/none", KEY))).reason == "LIMIT_NOT_FOUND"
    assert (await refusal(budget(pdp, "house/none", SPEND, ANALYST_ITSELF))).reason == "NOT_PERMITTED"


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"key": KEY}, "limit"), ({"limit": "house/calls"}, "key"), ({"limit": "x" * 200, "key": KEY}, "limit")],
)
async def test_a_question_that_is_none_is_refused_by_field(pdp: ServedPdp, fields: dict[str, Any], field: str) -> None:
    failed = await refusal(pdp.limits().GetBudget(pb.GetBudgetRequest(**fields)))
    assert failed.reason == "INVALID_REQUEST"
    assert field in failed.violations
