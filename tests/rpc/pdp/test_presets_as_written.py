"""The three policies everybody asks for first, pushed as people write them, and what a gateway then hears."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.clock import MINUTE, Millis
from support.pdp.served import ServedPdp, identity, served_pdp

HEAD = b"apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: first}\nspec:\n  presets:\n"

READ_ONLY = HEAD + b"    - read_only\n"
RATE_LIMIT = HEAD + b"    - rate_limit(100, 1m)\n  rules:\n    - {name: all, match: {actions: ['*']}, effect: ALLOW}\n"
APPROVAL = HEAD + b'    - require_approval(["delete_*", "write_production_*"], 2, 30m)\n'


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        yield served


async def test_read_only(pdp: ServedPdp) -> None:
    await pdp.push(READ_ONLY)
    assert (await pdp.check(action="read_table")).effect == pb.EFFECT_ALLOW
    assert (await pdp.check(action="list_tables")).effect == pb.EFFECT_ALLOW
    for action in ("write_table", "delete_table", "frobnicate"):
        denied = await pdp.check(action=action)
        assert (denied.reason, denied.rule_reason) == (pb.DECISION_REASON_RULE_DENIED, "READ_ONLY")
        assert list(denied.rules) == ["first/read-only-rest"]


async def test_rate_limit(pdp: ServedPdp) -> None:
    await pdp.push(RATE_LIMIT)
    answers = [await pdp.check(action="read_table") for _ in range(101)]
    assert {answer.effect for answer in answers[:100]} == {pb.EFFECT_ALLOW}
    assert [answer.limits[0].remaining for answer in answers[:100]] == list(range(99, -1, -1))
    assert not any(answer.HasField("cache") for answer in answers)
    refused = answers[100]
    assert (refused.effect, refused.reason) == (pb.EFFECT_DENY, pb.DECISION_REASON_RATE_LIMITED)
    assert refused.retry_after.ToMilliseconds() == MINUTE // 100
    pdp.clock.advance(Millis(refused.retry_after.ToMilliseconds()))
    assert (await pdp.check(action="read_table")).effect == pb.EFFECT_ALLOW


async def test_require_approval(pdp: ServedPdp) -> None:
    pdp.around.identity.agents.say(identity(pdp.clock, points=800, ring=1))
    await pdp.knows(lambda answer: answer.effective_ring == 1)
    await pdp.push(APPROVAL)
    for action in ("delete_table", "write_production_row"):
        asked = await pdp.check(action=action)
        assert (asked.effect, asked.reason) == (pb.EFFECT_REQUIRE_APPROVAL, pb.DECISION_REASON_APPROVAL_REQUIRED)
        assert (asked.approval.min_approvals, asked.approval.timeout_seconds) == (2, 1_800)
        assert list(asked.approval.approver_groups) == []
        assert asked.approval.approval.startswith("approvals/")
    assert (await pdp.check(action="write_table")).reason == pb.DECISION_REASON_NO_MATCH
