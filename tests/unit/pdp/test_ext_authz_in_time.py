"""A gateway is answered before it stops waiting, or told no: whatever takes its time."""

import json

import pytest
from ringfence.extauthz.v3 import ext_authz_pb2 as gate
from ringfence_pdp.api.ext_authz import ExtAuthzApi
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
    answer = await ExtAuthzApi(desk.decisions).answer(request_about_somebody_known(), ADMIN, seconds)
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
