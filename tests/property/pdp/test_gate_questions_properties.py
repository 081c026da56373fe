"""What a gateway asks and is told is the same whether a message is made of it or not."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.extauthz.v3 import ext_authz_pb2 as gate
from ringfence_kit.errors import InvalidRequest
from ringfence_pdp.answer import Answer
from ringfence_pdp.api.ext_authz import ExtAuthzApi
from ringfence_pdp.convert import ext_authz
from ringfence_pdp.convert.decisions import check_request, response_to_proto
from ringfence_pdp.convert.ext_authz import at_gate, gateway_request
from ringfence_pdp.convert.gate_answers import answered_bytes
from ringfence_pdp.convert.gate_questions import Passed, asked_at_gate
from ringfence_pdp.doors.gateway import wanted
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.doors.route import route_of
from ringfence_pdp.doors.who_calls import caller_of
from ringfence_pdp.model import CheckRequest, Composed, Decision, Effect, Reason, Stage, Verdict, nothing
from support.pdp.desk import ADMIN, Desk
from support.pdp.gateway import envoy_request, rpc, tool_call
from support.pdp.world import NOW, identity, policy, tool

TEXTS = st.sampled_from(["", "x", "orders", "é", "line\nbreak", "\x7f", "n" * 300, "t" * 513, "u" * 5_000])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | TEXTS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXTS, below, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(TEXTS, VALUES, max_size=3)
A2A = [rpc("message/send", {"message": {"contextId": "c"}}), rpc("tasks/get", {"id": "t" * 600}), rpc("GetTask", {})]
MESSAGES = st.one_of(
    ARGUMENTS.map(lambda arguments: tool_call("query", arguments)),
    st.sampled_from([*A2A, rpc("tools/list"), rpc("resources/read", {"uri": "café"}), rpc("ping")]),
    st.just(
        tool_call("query", {"a": 1}) | {"params": {"name": "query", "_meta": {"ringfence.dev/origins": {"/a": "tool"}}}}
    ),
)
SHOWN = [
    ("x-ringfence-delegation", "token"),
    ("x-agent-chain", "did:web:origin"),
    ("x-agent-chain", "nobody"),
    ("x-ringfence-elevation", "grant"),
    ("x-ringfence-approval", "approvals/one"),
    ("mcp-session-id", "s" * 10),
    ("mcp-session-id", "s" * 300),
    ("mcp-session-id", "é"),
    ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"),
    ("traceparent", "garbage"),
]
ROUTES = st.fixed_dictionaries(
    {},
    optional={
        "boundary": TEXTS,
        "target": st.sampled_from(["did:web:called", "namespaces/data/agents/called"]),
        "obligations": st.just("redact, watermark"),
        "tool_schemas": st.just("registry"),
        "side": st.sampled_from(["caller", "callee"]),
    },
)
REQUESTS = st.builds(
    envoy_request,
    MESSAGES,
    path=st.sampled_from(["/mcp", "/orders/1?q=1", "/" + "p" * 600]),
    method=st.just("POST"),
    did=st.sampled_from(
        ["did:web:a", "did:web:b", "did:nothing else", "did:web:" + "l" * 600, "did:web:" + "l" * 1_100]
    ),
    headers=st.lists(st.sampled_from(SHOWN), max_size=2, unique_by=lambda header: header[0]),
    raw_headers=st.booleans(),
    route=ROUTES.map(
        lambda more: {"environment": "prod", "side": "callee", "profile": "agents", "tool_prefix": "warehouse."} | more
    ),
)
GETS = st.builds(
    envoy_request,
    st.none(),
    path=st.sampled_from(["/", "/orders/1", "/orders/2?q=1", "/" + "p" * 500]),
    method=st.sampled_from(["GET", "DELETE"]),
    route=ROUTES.map(lambda more: {"environment": "prod", "side": "caller", "profile": "http"} | more),
)
SCHEMAS = {"warehouse.query": tool("warehouse.query")}


def passed(request: gate.CheckRequest) -> list[Passed]:
    """Return everything the parts of a request wants; nothing of one that is refused."""
    try:
        read = gateway_request(request)
        route = route_of(read.extensions)
        caller = caller_of(route, read.principal, read.claims.get(route.jwt_payload, {}), read.headers)
        schemas = SCHEMAS if route.registry_schemas else {}
        return [
            Passed(b"sent", read, route, caller, one, schemas, ext_authz.content_digest(bytes(32), read.body))
            for one in wanted(read, route).asked
        ]
    except Refused:
        return []


def told(read: Any) -> object:
    try:
        question: CheckRequest = read()
    except InvalidRequest as invalid:
        return sorted(map(str, invalid.violations))
    said = question.arguments(), question.context()
    return question._replace(arguments=nothing, context=nothing), *said, _kinds(said)


def _kinds(value: Any) -> object:
    """What numbers are, since a number that is whole equals its double."""
    match value:
        case dict():
            return {name: _kinds(one) for name, one in value.items()}
        case list() | tuple():
            return list(map(_kinds, value))
        case _:
            return type(value)


@settings(max_examples=200, deadline=None)
@given(requests=st.lists(REQUESTS | GETS, min_size=1, max_size=3))
def test_a_question_is_the_one_a_message_would_be_judged_to_be(requests: list[gate.CheckRequest]) -> None:
    for one in [each for request in requests for each in passed(request)] * 2:
        message = ext_authz.question(one.request, one.route, one.caller, one.wanted, one.schemas, content=one.content)
        assert told(lambda one=one: asked_at_gate(one).question()) == told(
            lambda message=message: check_request(message)
        )


def test_what_differs_in_path_body_and_ids_alone_is_one_routine() -> None:
    def routine(**said: Any) -> object:
        return asked_at_gate(*passed(envoy_request(method="GET", profile="http", **said))).routine

    first = routine(path="/orders/1", headers=[("x-request-id", "1")])
    assert first is not None
    assert routine(path="/orders/2", headers=[("x-request-id", "2"), ("mcp-session-id", "s")]) is first
    assert routine(path="/orders/1", did="did:web:another") not in (None, first)
    assert routine(path="/orders/1", headers=[("x-ringfence-approval", "approvals/one")]) is None


VERDICT = Verdict(stage=Stage.RULES, effect=Effect.ALLOW, reason=Reason.ALLOWED, message="é", rules=("p/r",))
DECISIONS = [
    Decision(VERDICT, 2, 300),
    Decision(VERDICT, 1, 301),
    Decision(VERDICT, 2, 300, composed=Composed(chain=("did:web:origin",))),
    Decision(Verdict(stage=Stage.RULES, effect=Effect.DENY, reason=Reason.NO_MATCH, message="no"), 2, 300),
]


UNSAID = ("mode", "would", "judged", "limits", "retry_after", "approval_expires_at", "cache")


@given(
    answers=st.lists(
        st.builds(
            Answer,
            decision=st.sampled_from(DECISIONS),
            decision_id=st.uuids().map(str) | st.just("short"),
            bundle_digest=st.sampled_from(["", "sha256-0"]),
            epoch=st.integers(0, 3),
            identity_revision=st.just(3),
            registry_revision=st.just(4),
            policy_revision=st.just(5),
            decided_at=st.just(NOW),
            **{field: st.just(Answer._field_defaults[field]) for field in UNSAID},
            approval=st.sampled_from(["", "", "approvals/one"]),
        ),
        min_size=1,
        max_size=2,
    )
)
def test_what_a_gateway_is_told_is_what_a_message_would_say(answers: list[Answer]) -> None:
    expected = ext_authz.answered(list(map(response_to_proto, answers)), None)
    assert gate.CheckResponse.FromString(answered_bytes(answers, None)) == expected


async def test_what_is_remembered_is_answered_and_logged_as_the_first_time() -> None:
    """Over what it rests on: a policy that begins to read the path is heard with the next request."""
    desk = Desk()
    agent = identity()
    everything = "{name: get, match: {actions: [get_http]}, effect: ALLOW}"
    not_orders = "{name: no, match: {actions: [get_http]}, effect: DENY, when: \"context.gateway.path == '/orders'\"}"
    desk.let_decide(policy(everything))
    api = ExtAuthzApi(desk.decisions, lambda: bytes(32))

    async def code(path: str) -> int:
        sent = envoy_request(
            method="GET", path=path, profile="http", did=agent.did, environment="prod", side="caller"
        ).SerializeToString()
        answer = gate.CheckResponse.FromString(await api.answer(at_gate(sent), ADMIN, 1.0))
        return int(answer.status.code)

    assert [await code("/orders") for _ in range(4)] == [0, 0, 0, 0]
    desk.let_decide(policy(everything, not_orders))
    assert [await code(path) for path in ("/orders", "/items", "/orders", "/items")] == [7, 0, 7, 0]
    logged = [json.loads(body) for _, body in desk.tray.items]
    assert [one["input"]["context"]["gateway"]["path"] for one in logged[4:]] == ["/orders", "/items"] * 2
    same = [{**one, "decision_id": "", "input_digest": ""} for one in logged[:4]]
    assert same == same[:1] * 4
