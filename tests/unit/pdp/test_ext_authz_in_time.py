"""A gateway is answered before it stops waiting, or told no: whatever takes its time."""

import asyncio
import json

import pytest
from ringfence.extauthz.v3 import ext_authz_pb2 as gate
from ringfence_pdp.api.ext_authz import DIGESTED_HERE, ExtAuthzApi
from ringfence_pdp.convert.ext_authz import AtGate, at_gate
from support.pdp.desk import ADMIN, Desk
from support.pdp.gateway import envoy_request
from support.pdp.world import ask, facts_of, policy

ASKING = policy(
    "{name: all, match: {actions: ['*']}, effect: REQUIRE_APPROVAL, "
    "approval: {min_approvals: 1, approvers: ['group:oncall'], timeout: 30m}}"
)


def desk() -> Desk:
    made = Desk()
    made.let_decide(ASKING)
    return made


def request_about_somebody_known() -> AtGate:
    asked = ask()
    identity = facts_of().identity(asked.did, asked.agent, asked.environment)
    assert identity is not None
    sent = envoy_request(method="GET", path="/", profile="http", did=identity.did, environment=asked.environment)
    return at_gate(sent.SerializeToString())


async def answer_of(desk: Desk, seconds: float) -> gate.CheckResponse:
    answer = await ExtAuthzApi(desk.decisions, lambda: bytes(32)).answer(request_about_somebody_known(), ADMIN, seconds)
    return gate.CheckResponse.FromString(answer)


def reason(answer: gate.CheckResponse) -> str:
    return str(json.loads(answer.denied_response.body)["error"]["reason"])


async def test_people_who_cannot_be_reached_in_time_are_a_denial() -> None:
    waiting = desk()
    waiting.people.reached.clear()
    answer = await answer_of(waiting, 0.02)
    assert (answer.denied_response.status.code, reason(answer)) == (403, "DEADLINE")
    logged = [json.loads(body)["reason"] for _, body in waiting.tray.items]
    assert logged == ["DEADLINE"]


async def test_people_who_are_reached_in_time_are_asked() -> None:
    asking = desk()
    answer = await answer_of(asking, 5.0)
    assert reason(answer) == "APPROVALS_UNAVAILABLE"
    assert len(asking.people.heard) == 1


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_a_gateway_that_has_stopped_waiting_is_told_no(seconds: float) -> None:
    late = desk()
    answer = await answer_of(late, seconds)
    assert reason(answer) == "DEADLINE"
    assert not late.people.heard


@pytest.mark.parametrize(("size", "held_up"), [(DIGESTED_HERE // 2, True), (1 << 20, False)])
async def test_attack_a_large_body_is_not_digested_while_others_wait(size: int, held_up: bool) -> None:
    order: list[str] = []
    answering = ExtAuthzApi(Desk().decisions, lambda: bytes(32))
    known = request_about_somebody_known().request
    known.attributes.request.http.raw_body, known.attributes.request.http.size = b"x" * size, size

    async def asks() -> None:
        await answering.answer(at_gate(known.SerializeToString()), ADMIN, None)
        order.append("answered")

    async def waits() -> None:
        order.append("somebody else")

    await asyncio.gather(asks(), waits())
    assert order == (["answered", "somebody else"] if held_up else ["somebody else", "answered"])
