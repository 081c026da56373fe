"""Envoy's Authorization service over the wire: what a gateway is told, and that each attack it can carry is denied."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict
from ringfence.extauthz.v3 import ext_authz_pb2 as gate
from ringfence.extauthz.v3 import ext_authz_pb2_grpc
from ringfence.identity.v1 import identity_pb2
from ringfence.pdp.v1 import bundle_pb2
from ringfence.registry.v1 import registry_pb2
from ringfence_kit.callers import Caller, Role
from ringfence_kit.errors import Unavailable
from ringfence_pdp.api.ext_authz import ExtAuthzApi
from ringfence_pdp.convert.ext_authz import at_gate
from support.pdp.desk import ADMIN, Desk
from support.pdp.gateway import envoy_request, rpc, tool_call
from support.pdp.served import ANALYST, ANALYST_DID, ServedPdp, agent, identity, served_pdp, stop, tool
from support.wire import refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

GATEWAY = Caller(principal="gateway", roles=frozenset({Role.GATEWAY}), agents=frozenset({ANALYST}))
UNBOUND = Caller(principal="gateway-2", roles=frozenset({Role.GATEWAY}))
TOOLS = ("read_table", "delete_table", "export_table")

POLICY = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: house}
spec:
  rules:
    - {name: read, match: {actions: ["read_*", "list_*", "get_*"]}, effect: ALLOW}
    - {name: talk, match: {actions: [send_message, post_http]}, effect: ALLOW}
    - {name: export, match: {tools: [warehouse.export_table]}, effect: ALLOW}
    - name: much
      match: {tools: ["warehouse.*"]}
      effect: DENY
      when: "has(args.rows) && args.rows > 100"
      reason: TOO_MUCH
    - name: delete
      match: {actions: ["delete_*"]}
      effect: REQUIRE_APPROVAL
      approval: {min_approvals: 2, approvers: ["group:oncall"], timeout: 30m}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pdp(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path_factory.mktemp("pdp")) as served:
        await served.push(POLICY)
        approved = [f"warehouse.{name}" for name in TOOLS]
        birth = identity_pb2.BirthCertificateContent(
            ring_ceiling=1, approved_tools=[identity_pb2.ApprovedTool(name=name) for name in approved]
        )
        served.around.identity.agents.say(identity(served.clock, birth_certificate=birth))
        served.around.registry.agents.say(
            agent(approved_tools=[registry_pb2.ApprovedTool(name=name) for name in approved])
        )
        for name in approved:
            served.around.registry.tools.say(tool(name=f"namespaces/data/tools/{name}"))
        ask = ext_authz_pb2_grpc.AuthorizationStub(served.channel(GATEWAY))
        while (await ask.Check(envoy_request(tool_call("export_table")))).status.code:
            pass
        yield served


async def ask(pdp: ServedPdp, message: Any = None, *, caller: Caller = GATEWAY, **kwargs: Any) -> gate.CheckResponse:
    stub: Any = ext_authz_pb2_grpc.AuthorizationStub(pdp.channel(caller))
    answer: gate.CheckResponse = await stub.Check(envoy_request(message, **kwargs))
    return answer


def headers(answer: gate.CheckResponse) -> dict[str, str]:
    part = answer.ok_response if answer.HasField("ok_response") else answer.denied_response
    return {option.header.key: option.header.value for option in part.headers}


def reason(answer: gate.CheckResponse) -> str:
    assert answer.WhichOneof("http_response") == "denied_response"
    assert answer.status.code
    return headers(answer)["x-ringfence-reason"]


async def test_a_permitted_call_passes_with_the_decision_and_without_what_was_ours(pdp: ServedPdp) -> None:
    answer = await ask(pdp, tool_call("read_table"))
    assert answer.status.code == 0
    assert headers(answer) == {"x-ringfence-decision": answer.dynamic_metadata["decision_id"]}
    assert {"signature", "x-ringfence-approval", "x-ringfence-delegation"} <= set(answer.ok_response.headers_to_remove)
    said = MessageToDict(answer.dynamic_metadata)
    assert (said["effect"], said["reason"], said["effective_ring"]) == ("ALLOW", "ALLOWED", 2)
    await pdp.around.telemetry.logged(said["decision_id"])
    entry = json.loads(pdp.around.telemetry.entries[said["decision_id"]])
    assert (entry["did"], entry["action"], entry["tool"]) == (ANALYST_DID, "read_table", "warehouse.read_table")


async def test_a_denied_call_gets_a_json_rpc_error(pdp: ServedPdp) -> None:
    answer = await ask(pdp, tool_call("export_table", {"rows": 101}, id_="call-1"))
    assert answer.denied_response.status.code == 403
    error = json.loads(answer.denied_response.body)
    assert (error["jsonrpc"], error["id"], error["error"]["code"]) == ("2.0", "call-1", -32050)
    assert error["error"]["data"]["reason"] == "RULE_DENIED"
    assert error["error"]["data"]["rule_reason"] == "TOO_MUCH"
    assert headers(answer)["x-ringfence-decision"] == error["error"]["data"]["decision_id"]


async def test_what_needs_approval_does_not_pass(pdp: ServedPdp) -> None:
    answer = await ask(pdp, tool_call("delete_table"))
    assert (answer.denied_response.status.code, reason(answer)) == (403, "APPROVAL_REQUIRED")
    assert json.loads(answer.denied_response.body)["error"]["code"] == -32051


async def test_one_denial_denies_a_batch_and_every_call_in_it_is_answered(pdp: ServedPdp) -> None:
    batch = [tool_call("read_table"), rpc("ping", id_=2), tool_call("export_table", {"rows": 500}, id_=3)]
    answer = await ask(pdp, batch)
    assert reason(answer) == "RULE_DENIED"
    errors = {one["id"]: one["error"]["code"] for one in json.loads(answer.denied_response.body)}
    assert errors == {1: -32053, 2: -32050, 3: -32050}
    assert answer.dynamic_metadata["decisions"] == 2


async def test_a_batch_of_permitted_calls_passes(pdp: ServedPdp) -> None:
    assert (await ask(pdp, [tool_call("read_table"), tool_call("export_table", id_=2)])).status.code == 0


async def test_a_batch_that_does_not_pass_costs_nothing(pdp: ServedPdp) -> None:
    await pdp.push(POLICY + b"  limits:\n    - {name: calls, rate: 2/1m, per: agent}\n")
    try:
        permitted = [tool_call("read_table"), tool_call("export_table", id_=2)]
        for _ in range(3):
            denied = await ask(pdp, [*permitted, tool_call("export_table", {"rows": 500}, id_=3)])
            assert reason(denied) == "RULE_DENIED"
        assert (await ask(pdp, permitted)).status.code == 0
        assert reason(await ask(pdp, tool_call("read_table"))) == "RATE_LIMITED"
    finally:
        await pdp.push(POLICY)


@pytest.mark.parametrize("method", ["message/send", "SendMessage"])
async def test_both_generations_of_a2a_are_one_action(pdp: ServedPdp, method: str) -> None:
    assert (await ask(pdp, rpc(method, {"message": {"contextId": "c", "parts": []}}))).status.code == 0
    assert reason(await ask(pdp, rpc("CancelTask", {"id": "t"}))) == "NO_MATCH"


@pytest.mark.parametrize("raw_headers", [False, True], ids=["map", "raw"])
async def test_plain_http_is_decided_as_well(pdp: ServedPdp, raw_headers: bool) -> None:
    answer = await ask(pdp, method="GET", path="/orders/1?x=2", profile="http", raw_headers=raw_headers)
    assert answer.status.code == 0
    answer = await ask(pdp, method="DELETE", path="/orders/1", profile="http", raw_headers=raw_headers)
    assert reason(answer) == "APPROVAL_REQUIRED"
    assert json.loads(answer.denied_response.body)["error"]["reason"] == "APPROVAL_REQUIRED"


async def test_a_ping_passes_without_a_decision(pdp: ServedPdp) -> None:
    answer = await ask(pdp, rpc("ping"))
    assert answer.status.code == 0
    assert "x-ringfence-decision" in answer.ok_response.headers_to_remove


ATTACKS: dict[str, tuple[str, dict[str, Any]]] = {
    "duplicate key": (
        "BODY_MALFORMED",
        {"message": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_table","name":"x"}}'},
    ),
    "500-deep JSON": ("BODY_MALFORMED", {"message": b"[" * 500 + b"]" * 500}),
    "1 MB body": ("BODY_TRUNCATED", {"message": tool_call(arguments={"x": "a" * (1 << 20)})}),
    "arguments of 100 KB": ("REQUEST_INVALID", {"message": tool_call(arguments={"x": "a" * 100_000})}),
    "padding past the body limit": ("BODY_TRUNCATED", {"message": tool_call(), "size": 9_109}),
    "header/body mismatch": ("HEADER_BODY_MISMATCH", {"message": tool_call(), "headers": [("mcp-name", "x")]}),
    "repeated identity header": (
        "IDENTITY_AMBIGUOUS",
        {"message": tool_call(), "headers": [("x-agent-did", ANALYST_DID), ("x-agent-did", "did:web:other")]},
    ),
    "an identity nobody vouches for": (
        "IDENTITY_AMBIGUOUS",
        {"message": tool_call(), "did": None, "headers": [("x-agent-did", ANALYST_DID)]},
    ),
    "a header that names another than the certificate": (
        "REQUEST_INVALID",
        {
            "message": tool_call(),
            "did": None,
            "principal": f"spiffe://mesh.example/{ANALYST.replace('analyst', 'other')}",
            "trust_domain": "mesh.example",
            "headers": [("x-agent-did", ANALYST_DID)],
        },
    ),
    "a delete that looks like a ping": (
        "METHOD_UNKNOWN",
        {"message": rpc("ping"), "method": "DELETE", "path": "/tasks/7/pushNotificationConfigs/1"},
    ),
    "a cancel that looks like a ping": ("METHOD_UNKNOWN", {"message": rpc("ping"), "path": "/tasks/7:cancel"}),
    "where to push, in a message that may be sent": (
        "NO_MATCH",
        {
            "message": rpc(
                "SendMessage", {"message": {}, "configuration": {"pushNotificationConfig": {"url": "http://x"}}}
            )
        },
    ),
    "an encoded path": ("REQUEST_INVALID", {"method": "GET", "path": "/%61dmin", "profile": "http"}),
    "unknown method": ("METHOD_UNKNOWN", {"message": rpc("tools/destroy")}),
    "a route that does not say where it is": ("REQUEST_INVALID", {"message": tool_call(), "route": {}}),
    "another environment's agent": ("ENVIRONMENT_MISMATCH", {"message": tool_call(), "environment": "prod"}),
    "a tool nobody registered": ("TOOL_NOT_APPROVED", {"message": tool_call("read_secrets")}),
}


@pytest.mark.parametrize("attack", sorted(ATTACKS))
@pytest.mark.parametrize("raw_headers", [False, True], ids=["map", "raw"])
async def test_an_attack_is_denied_and_logged(pdp: ServedPdp, attack: str, raw_headers: bool) -> None:
    expected, sent = ATTACKS[attack]
    answer = await ask(pdp, **{"raw_headers": raw_headers, **sent})
    assert (answer.denied_response.status.code, reason(answer)) == (403, expected)
    body = json.loads(answer.denied_response.body)
    assert body["error"]["message"]
    decision_id = headers(answer)["x-ringfence-decision"]
    await pdp.around.telemetry.logged(decision_id)
    assert json.loads(pdp.around.telemetry.entries[decision_id])["reason"] == expected


async def test_a_header_beside_a_certificate_names_the_same_agent_or_nobody_passes(pdp: ServedPdp) -> None:
    by_certificate: dict[str, Any] = {
        "did": None,
        "principal": f"spiffe://mesh.example/{ANALYST}",
        "trust_domain": "mesh.example",
    }
    own, foreign = ("x-agent-did", ANALYST_DID), ("x-agent-did", ANALYST_DID.replace("agents", "others"))
    assert (await ask(pdp, tool_call(), headers=[own], **by_certificate)).status.code == 0
    assert reason(await ask(pdp, tool_call(), headers=[foreign], **by_certificate)) == "NOT_PERMITTED"


async def test_what_a_request_says_of_itself_stands_in_for_no_fact(pdp: ServedPdp) -> None:
    forged = {"ring": 0, "agent": {"ring": 0}, "rows": 101, "environment": "dev"}
    answer = await ask(
        pdp, tool_call("export_table", forged), headers=[("x-agent-ring", "0"), ("x-ringfence-decision", "mine")]
    )
    assert reason(answer) == "RULE_DENIED"
    assert answer.dynamic_metadata["effective_ring"] == 2


async def test_a_killed_agent_does_not_pass(pdp: ServedPdp) -> None:
    engaged = await pdp.switches().EngageKillSwitch(stop(agent=ANALYST))
    assert reason(await ask(pdp, tool_call())) == "KILLED"
    await pdp.switches().ReleaseKillSwitch(
        bundle_pb2.ReleaseKillSwitchRequest(name=engaged.kill_switch.name, reason="mended")
    )
    assert (await ask(pdp, tool_call())).status.code == 0


async def test_a_gateway_that_is_not_bound_to_the_agent_lets_nothing_pass(pdp: ServedPdp) -> None:
    answer = await ask(pdp, tool_call(), caller=UNBOUND)
    assert (answer.denied_response.status.code, reason(answer)) == (403, "NOT_PERMITTED")
    assert ANALYST_DID not in answer.denied_response.body


async def test_an_agent_is_no_gateway(pdp: ServedPdp) -> None:
    itself = Caller(principal=ANALYST_DID, roles=frozenset({Role.AGENT}), environment="dev")
    assert (await refusal(ask(pdp, tool_call(), caller=itself))).reason == "NOT_PERMITTED"


async def answer_of(desk: Desk, seconds: float | None) -> gate.CheckResponse:
    request = at_gate(envoy_request(tool_call()).SerializeToString())
    return gate.CheckResponse.FromString(
        await ExtAuthzApi(desk.decisions, lambda: bytes(32)).answer(request, ADMIN, seconds)
    )


async def test_no_time_left_is_a_denial(pdp: ServedPdp) -> None:
    desk = Desk()
    answer = await answer_of(desk, 0.0)
    assert (answer.denied_response.status.code, reason(answer)) == (403, "DEADLINE")
    assert len(desk.tray.items) == 1


async def test_our_own_failure_is_an_error_and_no_denial(pdp: ServedPdp) -> None:
    desk = Desk(stops_when_full=True)
    desk.tray.full = True
    answer = await answer_of(desk, None)
    assert (answer.status.code, answer.WhichOneof("http_response")) == (14, "error_response")
    assert (answer.error_response.status.code, answer.error_response.headers[0].header.value) == (503, "UNAVAILABLE")


async def test_telemetry_that_is_away_does_not_stop_gateways(pdp: ServedPdp) -> None:
    pdp.around.telemetry.failure = Unavailable(problem="it is away")
    try:
        assert (await ask(pdp, tool_call())).status.code == 0
    finally:
        pdp.around.telemetry.failure = None
