"""Content is filtered alike through every door, and no door says more of it than where and what it is."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx
import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict
from ringfence.extauthz.v3 import ext_authz_pb2 as gate
from ringfence.extauthz.v3 import ext_authz_pb2_grpc
from ringfence.identity.v1 import identity_pb2
from ringfence.pdp.v1 import approval_pb2, bundle_pb2
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.pdp.v1 import filter_pb2 as filters
from ringfence.registry.v1 import registry_pb2
from ringfence_kit.callers import Caller, Role
from support.pdp.gateway import envoy_request, rpc
from support.pdp.served import ANALYST, ANALYST_DID, ServedPdp, agent, identity, question, served_pdp, tool
from support.wire import refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

GATEWAY = Caller(principal="gateway", roles=frozenset({Role.GATEWAY}), agents=frozenset({ANALYST}))
ITSELF = Caller(principal=ANALYST_DID, roles=frozenset({Role.AGENT}), environment="dev")

SECRET = "AKIAIOSFODNN7EXAMPLE"
DANGEROUS = {"body": f"ACME-123456 goes out, with password={SECRET}"}
TOOL = "warehouse.send_report"

NOT_HEARD_YET = {
    pb.DECISION_REASON_AGENT_UNKNOWN,
    pb.DECISION_REASON_TOOL_NOT_APPROVED,
    pb.DECISION_REASON_TOOL_UNKNOWN,
}

BUNDLE = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: house}
spec:
  rules:
    - {name: all, match: {actions: ["*"]}, effect: ALLOW}
  filters:
    - {name: content, use: patterns, ignore: ['category:credential']}
    - {name: whence, use: origin}
---
apiVersion: ringfence.dev/v1
kind: FilterRules
metadata: {name: acme}
spec:
  rules:
    - id: acme.ticket
      category: exfiltration
      severity: high
      pattern: 'ACME-[0-9]{6}'
      message: a ticket of Acme leaves the house
      examples: {matches: [ACME-123456, a ACME-123456, ACME-000000 b], passes: [ACME, a, b]}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pdp(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path_factory.mktemp("pdp")) as served:
        await served.push(BUNDLE)
        approved = identity_pb2.BirthCertificateContent(
            ring_ceiling=1, approved_tools=[identity_pb2.ApprovedTool(name=TOOL)]
        )
        served.around.identity.agents.say(identity(served.clock, birth_certificate=approved))
        served.around.registry.agents.say(agent(approved_tools=[registry_pb2.ApprovedTool(name=TOOL)]))
        served.around.registry.tools.say(tool(name=f"namespaces/data/tools/{TOOL}", external_sink=True))
        await served.ready()
        while (await served.decisions().Check(asked({}))).reason in NOT_HEARD_YET:
            pass
        yield served


def asked(arguments: Mapping[str, Any], origins: Mapping[str, int] | None = None) -> pb.CheckRequest:
    request = question(action="send_report", tool=TOOL, arguments=dict(arguments))
    for pointer, origin in (origins or {}).items():
        request.action.argument_origins[pointer] = filters.Origin.ValueType(origin)
    return request


Told = tuple[str, str, list[tuple[str, str, str]]]
"""The effect, the reason, and what was found: id, argument, action."""


def told(response: pb.CheckResponse) -> Told:
    found = [
        (one.id, one.argument, filters.FilterAction.Name(one.action).removeprefix("FILTER_ACTION_").lower())
        for one in response.findings
    ]
    effect, reason = pb.Effect.Name(response.effect), pb.DecisionReason.Name(response.reason)
    return effect.removeprefix("EFFECT_"), reason.removeprefix("DECISION_REASON_"), found


def named(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    return [(one["id"], one["argument"], one["action"]) for one in found]


async def gateway(pdp: ServedPdp, params: Mapping[str, Any], **sent: Any) -> gate.CheckResponse:
    stub: Any = ext_authz_pb2_grpc.AuthorizationStub(pdp.channel(GATEWAY))
    message = rpc("tools/call", {"name": "send_report", **params})
    answer: gate.CheckResponse = await stub.Check(envoy_request(message, **sent))
    return answer


async def authzen(pdp: ServedPdp, arguments: Mapping[str, Any], **context: Any) -> dict[str, Any]:
    body = {
        "subject": {"type": "agent", "id": ANALYST_DID},
        "action": {"name": "send_report", "properties": {"tool": TOOL, "arguments": dict(arguments)}},
        "resource": {"type": "table", "id": "orders", "properties": {"labels": {"secret": "no"}}},
        "context": {"environment": "dev", **context},
    }
    async with httpx.AsyncClient(base_url=f"http://{pdp.mesh.address('pdp.http_listen')}") as client:
        headers = {"content-type": "application/json", **dict(pdp.mesh.metadata(GATEWAY))}
        response = await client.post("/access/v1/evaluation", content=json.dumps(body).encode(), headers=headers)
    answer: dict[str, Any] = response.json()
    return answer


EXPECTED: Told = ("DENY", "CONTENT_DANGEROUS", [("acme.ticket", "/body", "deny")])


async def test_the_same_content_is_found_through_every_door(pdp: ServedPdp) -> None:
    request, decisions = asked(DANGEROUS), pdp.decisions(GATEWAY)
    checked = await decisions.Check(request)
    batch = await decisions.BatchCheck(pb.BatchCheckRequest(requests=[request, asked({"body": "hello"}), request]))
    explained = await pdp.decisions().Explain(pb.ExplainRequest(request=request))
    stream: Any = decisions.CheckStream()
    await stream.write(pb.CheckStreamRequest(id=7, request=request))
    while not (said := await asyncio.wait_for(stream.read(), 10)).HasField("answer"):
        pass
    stream.cancel()
    answers = [checked, batch.results[0].response, batch.results[2].response, explained.response, said.answer.response]
    assert [told(one) for one in answers] == [EXPECTED] * 5
    assert told(batch.results[1].response) == ("ALLOW", "ALLOWED", [])
    stage = next(one for one in explained.stages if one.stage == "filters")
    assert stage.detail == "filter house/content denies it: a ticket of Acme leaves the house (acme.ticket at /body)"
    assert checked.findings[0].snippet.startswith("ACME-123456 goes out")
    logged = json.loads(await pdp.around.telemetry.logged(checked.decision_id))
    assert named(logged["findings"]) == EXPECTED[2]
    assert logged["input"]["arguments"]["body"].startswith("ACME-123456 goes out")
    assert logged["left_out"] == ["arguments.body"]
    assert SECRET not in str(answers) + str(explained) + str(logged)


async def test_a_gateway_gets_a_json_rpc_error_that_names_the_finding(pdp: ServedPdp) -> None:
    answer = await gateway(pdp, {"arguments": DANGEROUS})
    assert answer.denied_response.status.code == 403
    error = json.loads(answer.denied_response.body)["error"]
    assert (error["code"], error["data"]["reason"]) == (-32050, "CONTENT_DANGEROUS")
    assert named(error["data"]["findings"]) == EXPECTED[2]
    assert error["data"]["findings"][0] == {
        "id": "acme.ticket",
        "category": "exfiltration",
        "severity": "high",
        "action": "deny",
        "argument": "/body",
        "message": "a ticket of Acme leaves the house",
    }
    assert named(MessageToDict(answer.dynamic_metadata)["findings"]) == EXPECTED[2]
    assert SECRET not in str(answer)
    assert "123456" not in str(answer)


async def test_authzen_says_the_same(pdp: ServedPdp) -> None:
    answer = await authzen(pdp, DANGEROUS)
    assert (answer["decision"], answer["context"]["reason"]) == (False, EXPECTED[1])
    assert named(answer["context"]["findings"]) == EXPECTED[2]
    assert SECRET not in json.dumps(answer)


HARMLESS = {"to": "alice@example.org", "body": "the minutes of today"}
UNTRUSTED = ("REQUIRE_APPROVAL", "ORIGIN_UNTRUSTED")


async def test_what_a_tool_wrote_needs_people_and_what_the_user_wrote_does_not(pdp: ServedPdp) -> None:
    for caller, origins, expected in (
        (GATEWAY, {"/body": filters.ORIGIN_TOOL_OUTPUT}, UNTRUSTED),
        (GATEWAY, {"": filters.ORIGIN_TOOL_OUTPUT, "/to": filters.ORIGIN_USER}, UNTRUSTED),
        (GATEWAY, {"": filters.ORIGIN_USER}, ("ALLOW", "ALLOWED")),
        (ITSELF, {"": filters.ORIGIN_AGENT, "/to": filters.ORIGIN_USER, "/body": filters.ORIGIN_USER}, UNTRUSTED),
    ):
        answer = await pdp.decisions(caller).Check(asked(HARMLESS, origins))
        assert told(answer)[:2] == expected
        assert bool(answer.approval.approval) is (expected is UNTRUSTED)
    name = (await pdp.decisions(GATEWAY).Check(asked(HARMLESS, {"/body": filters.ORIGIN_AGENT}))).approval.approval
    shown = (await pdp.approvals().GetApproval(approval_pb2.GetApprovalRequest(name=name))).approval
    assert "would leave the mesh with warehouse.send_report (origin." in shown.why


TRUSTED = {"trust_headers": "true"}
HEADER = "x-ringfence-origins"


@pytest.mark.parametrize(
    ("meta", "headers", "route", "expected"),
    [
        (None, [], {}, "ALLOWED"),
        ({"/body": "tool_output"}, [], {}, "ORIGIN_UNTRUSTED"),
        ({"/body": "user"}, [], {}, "ALLOWED"),
        (None, [(HEADER, '{"/body": "agent"}')], {}, "ORIGIN_UNTRUSTED"),
        (None, [(HEADER, '{"": "user"}')], TRUSTED, "ALLOWED"),
        ({"": "tool_output"}, [(HEADER, '{"/to": "user", "/body": "user"}')], TRUSTED, "ALLOWED"),
        ({"": "tool_output"}, [(HEADER, '{"/to": "user", "/body": "user"}')], {}, "ORIGIN_UNTRUSTED"),
        ({"/body": "tool_output"}, [(HEADER, '{"/body": "user"}')], TRUSTED, "ORIGIN_UNTRUSTED"),
        ({"/body": "somebody"}, [], {}, "REQUEST_INVALID"),
        (["/body"], [], {}, "REQUEST_INVALID"),
        (None, [(HEADER, "user")], TRUSTED, "REQUEST_INVALID"),
        (None, [(HEADER, '{"": "user"}'), (HEADER, '{"": "agent"}')], TRUSTED, "REQUEST_INVALID"),
        ({"body": "agent"}, [], {}, "REQUEST_INVALID"),
        ({f"/{place}": "agent" for place in range(65)}, [], {}, "REQUEST_INVALID"),
    ],
)
async def test_origins_in_a_message_restrict_and_only_a_header_that_is_vouched_for_frees(
    pdp: ServedPdp, meta: Any, headers: Any, route: dict[str, str], expected: str
) -> None:
    params = {"arguments": HARMLESS, **({} if meta is None else {"_meta": {"ringfence.dev/origins": meta}})}
    answer = await gateway(pdp, params, headers=headers, **route)
    if expected == "ALLOWED":
        assert answer.HasField("ok_response"), answer
        assert HEADER in answer.ok_response.headers_to_remove
        return
    assert json.loads(answer.denied_response.body)["error"]["data"]["reason"] == expected


async def test_authzen_takes_origins_in_its_context(pdp: ServedPdp) -> None:
    poisoned = await authzen(pdp, HARMLESS, argument_origins={"/body": "tool_output"})
    assert (poisoned["decision"], poisoned["context"]["reason"]) == (False, "ORIGIN_UNTRUSTED")
    assert (await authzen(pdp, HARMLESS, argument_origins={"": "user"}))["decision"] is True
    refused = await authzen(pdp, HARMLESS, argument_origins={"": "somebody"})
    assert "argument_origins" in json.dumps(refused)
    assert "decision" not in refused


async def test_origins_that_are_none_are_refused_by_field(pdp: ServedPdp) -> None:
    refused = await refusal(pdp.decisions().Check(asked(HARMLESS, {"body": filters.ORIGIN_USER, "/to": 99})))
    assert (refused.reason, len(refused.violations)) == ("INVALID_REQUEST", 2)


async def test_a_bundle_with_rules_that_do_not_do_what_they_say_is_refused_with_file_line_and_field(
    pdp: ServedPdp,
) -> None:
    wrong = BUNDLE.replace(b"passes: [ACME, a, b]", b"passes: [ACME-999999, a, b]")
    sent = bundle_pb2.ValidateBundleRequest(files=[bundle_pb2.PolicyFile(path="house.yaml", content=wrong)])
    (problem,) = (await pdp.bundles().ValidateBundle(sent)).problems
    assert (problem.path, problem.line, problem.field) == ("house.yaml", 21, "spec.rules[0].examples.passes[0]")
    assert problem.problem == "the rule finds 'ACME-999999'"
