"""Real Envoys with the file we ship, beside agents that speak A2A and MCP, before a running pdp.

One set of processes for all cases: each case leaves it as it was.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from ringfence.pdp.v1 import approval_pb2, bundle_pb2
from ringfence_kit.callers import Caller, Role
from support.pdp.served import stop
from support.pdp.sidecars import Sidecars, did_of, resource_name, running_sidecars

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

ADA = Caller(principal="ada", roles=frozenset({Role.APPROVER}), groups=frozenset({"oncall"}))

POLICY = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: senders}
spec:
  governs: {agents: ["ns/billing/agents/a", "ns/billing/agents/b"], side: caller}
  rules:
    - {name: any, match: {actions: [send_message, read_invoice, pay_invoice, delete_invoice]}, effect: ALLOW}
---
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: messages}
spec:
  governs: {agents: ["ns/billing/agents/b"], side: callee}
  rules:
    - {name: talk, match: {actions: [send_message, read_invoice, pay_invoice]}, effect: ALLOW}
---
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: ledger}
spec:
  governs: {agents: ["ns/billing/agents/c"], side: callee}
  rules:
    - {name: read, match: {actions: [read_invoice]}, effect: ALLOW}
    - {name: pay, match: {actions: [pay_invoice]}, effect: ALLOW}
    - name: large
      match: {actions: [pay_invoice]}
      effect: DENY
      when: "has(args.amount) && args.amount > 100"
      reason: TOO_LARGE
    - name: delete
      match: {actions: [delete_invoice]}
      effect: REQUIRE_APPROVAL
      approval: {min_approvals: 1, approvers: ["group:oncall"], timeout: 30m}
  limits:
    - {name: payments, rate: 3/1m, burst: 3, per: agent, match: {tools: [ledger.pay_invoice]}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["pdp.listen", "pdp.fast_listen"])
async def mesh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sidecars]:
    async with running_sidecars(tmp_path_factory.mktemp("sidecars"), POLICY, port=request.param) as running:
        yield running


def error_of(response: Any) -> dict[str, Any]:
    body = response.json()
    return dict(body["error"]["data"], code=body["error"]["code"], id=body["id"])


async def test_a_permitted_call_arrives_with_its_decision_and_without_what_was_ours(mesh: Sidecars) -> None:
    headers = [("x-ringfence-decision", "forged"), ("x-agent-did", did_of("a")), ("x-ringfence-elevation", "")]
    response = await mesh.call_tool("ledger.read_invoice", headers=headers[:2])
    assert response.status_code == 200, response.text
    arrived = mesh.arrived[-1]["headers"]
    assert arrived["x-agent-did"] == did_of("b")
    decision_id = arrived["x-ringfence-decision"]
    await mesh.pdp.around.telemetry.logged(decision_id)
    entry = json.loads(mesh.pdp.around.telemetry.entries[decision_id])
    assert (entry["agent"], entry["tool"], entry["effect"]) == (resource_name("b"), "ledger.read_invoice", "ALLOW")


async def test_a_denied_call_gets_a_json_rpc_error_and_does_not_arrive(mesh: Sidecars) -> None:
    before = len(mesh.arrived)
    response = await mesh.call_tool("ledger.pay_invoice", {"amount": 101})
    assert response.status_code == 403
    error = error_of(response)
    assert (error["id"], error["code"], error["reason"], error["rule_reason"]) == (
        1,
        -32050,
        "RULE_DENIED",
        "TOO_LARGE",
    )
    assert len(mesh.arrived) == before


async def test_an_approval_lets_a_call_through_once(mesh: Sidecars) -> None:
    refused = await mesh.call_tool("ledger.delete_invoice", {"id": "i-1"})
    assert refused.status_code == 403
    approval = refused.headers["x-ringfence-approval"]
    assert error_of(refused)["approval"] == approval
    waiting = await mesh.call_tool("ledger.delete_invoice", {"id": "i-1"})
    assert waiting.headers["x-ringfence-approval"] == approval
    await mesh.pdp.approvals(ADA).Approve(approval_pb2.ApproveRequest(name=approval))
    other = await mesh.call_tool("ledger.delete_invoice", {"id": "i-2"})
    assert other.status_code == 403
    assert (await mesh.call_tool("ledger.delete_invoice", {"id": "i-1"})).status_code == 200
    again = await mesh.call_tool("ledger.delete_invoice", {"id": "i-1"})
    assert again.status_code == 403
    assert again.headers["x-ringfence-approval"] != approval


async def test_a_rate_is_kept_and_says_when_to_come_back(mesh: Sidecars) -> None:
    answers = [await mesh.call_tool("ledger.pay_invoice", {"amount": 1}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert error_of(answers[-1])["reason"] == "RATE_LIMITED"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


RPC = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%s}'
READ = RPC % '{"name":"ledger.read_invoice","arguments":{}}'
DELETE = RPC % '{"name":"ledger.delete_invoice","arguments":{}}'

ATTACKS: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "a duplicate key": (RPC % '{"name":"ledger.read_invoice","name":"ledger.delete_invoice"}', "BODY_MALFORMED", []),
    "a key in another case": (RPC % '{"name":"ledger.read_invoice","Name":"ledger.pay_invoice"}', "BODY_MALFORMED", []),
    "a body past the limit": (
        RPC % ('{"name":"ledger.read_invoice","arguments":{"pad":"%s"}}' % ("x" * 200_000)),
        "BODY_TRUNCATED",
        [],
    ),
    "500-deep JSON": ("[" * 500 + "]" * 500, "BODY_MALFORMED", []),
    "an unknown method": ('{"jsonrpc":"2.0","id":1,"method":"tools/destroy"}', "METHOD_UNKNOWN", []),
    "a header that names another tool": (READ, "HEADER_BODY_MISMATCH", [("mcp-name", "ledger.pay_invoice")]),
    "a header that names another method": (READ, "HEADER_BODY_MISMATCH", [("mcp-method", "tools/list")]),
    "a repeated identity header": (
        READ,
        "IDENTITY_AMBIGUOUS",
        [("x-ringfence-delegation", "a.b.c"), ("x-ringfence-delegation", "d.e.f")],
    ),
    "a compressed body": (READ, "BODY_MALFORMED", [("content-encoding", "gzip")]),
    "another request by a header": (READ, "REQUEST_INVALID", [("x-http-method-override", "DELETE")]),
}


@pytest.mark.parametrize("attack", sorted(ATTACKS))
async def test_an_attack_does_not_arrive(mesh: Sidecars, attack: str) -> None:
    body, reason, headers = ATTACKS[attack]
    before = len(mesh.arrived)
    token = mesh.token("b", "c")
    response = await mesh.call(mesh.beside["c"].inbound, body.encode(), token=token, headers=headers)
    assert (response.status_code, error_of(response)["reason"]) == (403, reason)
    assert len(mesh.arrived) == before


async def test_one_denied_call_keeps_a_batch_out(mesh: Sidecars) -> None:
    before = len(mesh.arrived)
    token, inbound = mesh.token("b", "c"), mesh.beside["c"].inbound
    refused = await mesh.call(inbound, f"[{READ},{DELETE}]".encode(), token=token)
    assert refused.status_code == 403
    assert [one["error"]["code"] for one in refused.json()] == [-32053, -32051]
    assert len(mesh.arrived) == before
    assert (await mesh.call(inbound, f"[{READ},{READ}]".encode(), token=token)).status_code == 200


async def test_nobody_gets_in_without_a_token_for_this_agent(mesh: Sidecars) -> None:
    for token in ("nonsense", mesh.token("b", "a")):
        response = await mesh.call(mesh.beside["c"].inbound, READ.encode(), token=token)
        assert response.status_code in (401, 403)
        assert "x-ringfence-decision" not in response.headers


async def test_a_header_with_underscores_is_no_header(mesh: Sidecars) -> None:
    assert (await mesh.call_tool("ledger.read_invoice", headers=[("x_agent_did", did_of("a"))])).status_code == 400


async def test_a_killed_agent_is_out_at_once(mesh: Sidecars) -> None:
    engaged = await mesh.pdp.switches().EngageKillSwitch(stop(agent=resource_name("b")))
    assert error_of(await mesh.call_tool("ledger.read_invoice"))["reason"] == "KILLED"
    release = bundle_pb2.ReleaseKillSwitchRequest(name=engaged.kill_switch.name, reason="mended")
    await mesh.pdp.switches().ReleaseKillSwitch(release)
    assert (await mesh.call_tool("ledger.read_invoice")).status_code == 200


async def test_while_the_pdp_is_down_nothing_passes(mesh: Sidecars) -> None:
    before = len(mesh.arrived)
    mesh.wire.cut()
    assert (await mesh.call_tool("ledger.read_invoice")).status_code == 503
    assert len(mesh.arrived) == before
    await mesh.mended()


async def test_while_the_pdp_is_slow_nothing_passes(mesh: Sidecars) -> None:
    before = len(mesh.arrived)
    mesh.wire.hold()
    assert (await mesh.call_tool("ledger.read_invoice")).status_code == 503
    assert len(mesh.arrived) == before
    await mesh.mended()


# Caller's and callee's sidecars, one after another


async def ask_b(mesh: Sidecars, tool: str, method: str = "SendMessage", **arguments: Any) -> Any:
    """Let `a` send `b` a message through both sidecars; `b` calls the tool through its own and that of `c`."""
    parts = [{"data": {"name": tool, "arguments": arguments}}]
    message = {"jsonrpc": "2.0", "id": "m-1", "method": method, "params": {"message": {"parts": parts}}}
    return await mesh.call(mesh.beside["a"].outbound, message, token=mesh.token("a", "b"))


@pytest.mark.parametrize("method", ["message/send", "SendMessage"])
async def test_a_chain_passes_four_sidecars(mesh: Sidecars, method: str) -> None:
    response = await ask_b(mesh, "ledger.read_invoice", method)
    assert response.status_code == 200, response.text
    assert response.json()["result"]["status"] == 200, response.text
    decision_id = mesh.arrived[-1]["headers"]["x-ringfence-decision"]
    await mesh.pdp.around.telemetry.logged(decision_id)
    assert did_of("a") in mesh.pdp.around.telemetry.entries[decision_id].decode()


async def test_the_last_side_of_a_chain_denies_it(mesh: Sidecars) -> None:
    response = await ask_b(mesh, "ledger.pay_invoice", amount=500)
    assert response.json()["result"]["status"] == 403
    assert response.json()["result"]["error"]["data"]["rule_reason"] == "TOO_LARGE"


async def test_a_chain_is_out_when_whoever_began_it_is_killed(mesh: Sidecars) -> None:
    token = mesh.token("b", "c", "a")
    engaged = await mesh.pdp.switches().EngageKillSwitch(stop(agent=resource_name("a")))
    response = await mesh.call(mesh.beside["b"].outbound, READ.encode(), token=token)
    assert error_of(response)["reason"] == "KILLED"
    release = bundle_pb2.ReleaseKillSwitchRequest(name=engaged.kill_switch.name, reason="mended")
    await mesh.pdp.switches().ReleaseKillSwitch(release)
