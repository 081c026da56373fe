"""Decisions put on record: facts once and first, and what happens when the log cannot keep them."""

import asyncio
import json
from typing import Any

import pytest
from ringfence_kit.errors import Unavailable
from ringfence_pdp.answer import Answer
from ringfence_pdp.decision_log import FACTS_REMEMBERED, DecisionLog
from ringfence_pdp.model import Effect, Reason
from support.pdp.desk import Desk
from support.pdp.world import ANALYST, ask, facts_of, identity, registered, tool


def decided(desk: Desk, **asked: Any) -> Answer:
    answer = desk.check(ask(**asked))
    assert isinstance(answer, Answer)
    return answer


def kinds(desk: Desk) -> list[str]:
    return [json.loads(body)["address"].partition(":")[0] for _, body in desk.tray.facts]


def evidence(desk: Desk) -> list[str]:
    return [address.partition(":")[0] for address in json.loads(desk.tray.items[-1][1])["evidence"]]


async def test_what_a_decision_stands_on_is_told_once() -> None:
    desk = Desk()
    for _ in range(3):
        decided(desk, tool="warehouse.query")
    assert kinds(desk) == ["circumstances", "agent", "tool"]
    assert evidence(desk) == ["agent", "circumstances", "tool"]


async def test_a_fact_that_changed_is_another_fact() -> None:
    desk = Desk()
    decided(desk, tool="warehouse.query")
    desk.agents.facts = facts_of(identity(ring=1), registered(), tools=[tool(enabled=False)])
    decided(desk, tool="warehouse.query")
    assert kinds(desk) == ["circumstances", "agent", "tool", "agent", "tool"]
    before, after = (json.loads(body)["evidence"] for _, body in desk.tray.items)
    assert set(before) & set(after) == {address for address in before if address.startswith("circumstances:")}


async def test_whom_nobody_knows_is_denied_on_what_holds_for_all() -> None:
    desk = Desk()
    decided(desk, agent=None, did="did:webvh:nobody:prod")
    assert evidence(desk) == ["circumstances"]


async def test_after_a_failure_everything_is_told_again() -> None:
    """What was offered and not kept may have been a fact: a decision never names what the log may not have."""
    desk = Desk()
    desk.tray.breaks = Unavailable(problem="no space left")
    decided(desk)
    await asyncio.sleep(0)
    desk.tray.breaks = None
    desk.check()
    await asyncio.sleep(0)
    decided(desk)
    assert kinds(desk)[-2:] == ["circumstances", "agent"]
    assert evidence(desk) == ["agent", "circumstances"]


async def test_a_fact_that_cannot_be_told_is_a_decision_that_cannot_be_logged() -> None:
    desk = Desk()
    desk.agents.facts = facts_of(identity(ring=1), registered())
    desk.tray.full = True
    answer = decided(desk)
    assert (answer.decision.effect, answer.decision.reason) == (Effect.DENY, Reason.LOG_UNAVAILABLE)
    assert desk.tray.facts == []


async def test_what_is_remembered_as_told_is_bounded() -> None:
    desk = Desk()
    log = DecisionLog(stops_when_full=True)
    log.attach(desk.tray)
    log.facts = {str(number) for number in range(FACTS_REMEMBERED)}
    log.tell("agent:x", [])
    assert log.facts == {"agent:x"}


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
async def test_a_share_of_allowed_calls_is_logged_and_every_denial(rate: float) -> None:
    desk = Desk(allow_rate=rate)
    answers = [decided(desk) for _ in range(40)] + [decided(desk, action="delete_table") for _ in range(5)]
    logged = {decision_id for decision_id, _ in desk.tray.items}
    allowed = [answer for answer in answers if answer.decision.effect is Effect.ALLOW]
    assert {answer.decision_id for answer in answers if answer not in allowed} <= logged
    if rate in (0.0, 1.0):
        assert sum(answer.decision_id in logged for answer in allowed) == rate * len(allowed)
    assert str(ANALYST) in desk.tray.items[-1][1].decode()
