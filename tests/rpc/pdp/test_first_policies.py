"""The first three policies everybody asks for, over the wire: only read, so many calls, ask us before you delete."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.pdp.v1 import approval_pb2, decision_pb2
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Millis
from support.pdp.served import ServedPdp, served_pdp

ALLOW, DENY, ASKS = decision_pb2.EFFECT_ALLOW, decision_pb2.EFFECT_DENY, decision_pb2.EFFECT_REQUIRE_APPROVAL


def policy(*presets: str) -> bytes:
    listed = "".join(f"    - '{preset}'\n" for preset in presets)
    head = "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: house}\n"
    return f"{head}spec:\n  presets:\n{listed}".encode()


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        yield served


async def asks(pdp: ServedPdp, action: str) -> decision_pb2.CheckResponse:
    return await pdp.check(action=action)


async def test_this_agent_only_reads(pdp: ServedPdp) -> None:
    await pdp.push(policy("read_only"))
    assert [(await asks(pdp, action)).effect for action in ("read_table", "list_tables", "get_table")] == [ALLOW] * 3
    for action in ("write_table", "delete_table", "readme"):
        assert (await asks(pdp, action)).effect == DENY


async def test_at_most_five_calls_a_minute(pdp: ServedPdp) -> None:
    await pdp.push(policy("read_only", "rate_limit(5, 1m)"))
    answers = [await asks(pdp, "read_table") for _ in range(6)]
    assert [answer.effect for answer in answers] == [ALLOW] * 5 + [DENY]
    assert answers[5].reason == decision_pb2.DECISION_REASON_RATE_LIMITED
    assert [limit.remaining for answer in answers[:5] for limit in answer.limits] == [4, 3, 2, 1, 0]
    pdp.clock.advance(Millis(answers[5].retry_after.ToMilliseconds()))
    assert (await asks(pdp, "read_table")).effect == ALLOW


async def test_ask_two_of_us_before_anything_is_deleted(pdp: ServedPdp) -> None:
    await pdp.push(policy("read_only", 'require_approval(["delete_*"], 2, 30m, ["group:oncall"])'))
    # What only reads deletes nothing, whoever approves: a denial stands whatever else asks.
    assert (await asks(pdp, "delete_table")).effect == DENY
    await pdp.push(policy('require_approval(["delete_*"], 2, 30m, ["group:oncall"])'))
    asked = await asks(pdp, "delete_table")
    assert (asked.effect, asked.approval.min_approvals) == (ASKS, 2)
    for name in ("ada", "bob"):
        who = Caller(principal=name, roles=frozenset({Role.APPROVER}), groups=frozenset({"oncall"}))
        await pdp.approvals(who).Approve(approval_pb2.ApproveRequest(name=asked.approval.approval))
    assert (await asks(pdp, "delete_table")).effect == ALLOW
    assert (await asks(pdp, "delete_table")).effect == ASKS


async def test_what_people_approved_is_used_once_so_nobody_keeps_the_answer(pdp: ServedPdp) -> None:
    await pdp.push(policy('require_approval(["delete_*"])'))
    asked = await asks(pdp, "delete_table")
    anybody = Caller(principal="ada", roles=frozenset({Role.APPROVER}))
    await pdp.approvals(anybody).Approve(approval_pb2.ApproveRequest(name=asked.approval.approval))
    allowed = await asks(pdp, "delete_table")
    assert (allowed.effect, allowed.HasField("cache"), asked.HasField("cache")) == (ALLOW, False, False)
