"""What a gateway passes on, read in one way only: each thing that could be read in two is refused, and says why."""

import json
from typing import Any

import pytest
from ringfence_pdp.convert.ext_authz import gateway_request
from ringfence_pdp.doors.gateway import Wanted, wanted
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.doors.route import route_of
from ringfence_pdp.doors.who_calls import Caller, caller_of
from ringfence_pdp.model import Protocol, Reason
from support.pdp.gateway import MCP_FILTER, envoy_request, rpc, tool_call
from support.pdp.served import ANALYST_DID

OTHER = "did:webvh:QmOther:dev.id.ringfence.internal:agents:QmOther"


def read(*args: Any, **kwargs: Any) -> Wanted:
    request = gateway_request(envoy_request(*args, **kwargs))
    return wanted(request, route_of(request.extensions))


def calls(*args: Any, **kwargs: Any) -> Caller:
    request = gateway_request(envoy_request(*args, **kwargs))
    route = route_of(request.extensions)
    return caller_of(route, request.principal, request.claims.get(route.jwt_payload, {}), request.headers)


def refused(*args: Any, **kwargs: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        read(*args, **kwargs)
    return caught.value


METHODS = {
    "tools/call": ("read_table", "warehouse.read_table", "tool"),
    "tools/list": ("list_tools", None, None),
    "resources/read": ("read_resource", None, "resource"),
    "prompts/get": ("get_prompt", None, "prompt"),
    "tasks/cancel": ("cancel_task", None, "task"),
    "message/send": ("send_message", None, None),
    "SendMessage": ("send_message", None, None),
    "message/stream": ("send_streaming_message", None, None),
    "SendStreamingMessage": ("send_streaming_message", None, None),
    "tasks/get": ("get_task", None, "task"),
    "GetTask": ("get_task", None, "task"),
    "ListTasks": ("list_tasks", None, None),
    "CancelTask": ("cancel_task", None, "task"),
    "SubscribeToTask": ("list_task_updates", None, "task"),
    "tasks/resubscribe": ("list_task_updates", None, "task"),
    "tasks/pushNotificationConfig/set": ("create_task_push_notification_config", None, "task"),
    "CreateTaskPushNotificationConfig": ("create_task_push_notification_config", None, "task"),
    "tasks/pushNotificationConfig/delete": ("delete_task_push_notification_config", None, "task"),
    "DeleteTaskPushNotificationConfig": ("delete_task_push_notification_config", None, "task"),
    "GetExtendedAgentCard": ("get_extended_agent_card", None, None),
    "agent/getAuthenticatedExtendedCard": ("get_extended_agent_card", None, None),
}
PARAMS = {"name": "read_table", "uri": "file:///a", "id": "t-1", "message": {"contextId": "c-1"}}


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_is_an_action(method: str) -> None:
    (asked,) = read(rpc(method, PARAMS)).asked
    assert (asked.action, asked.tool, asked.resource_type) == METHODS[method]


@pytest.mark.parametrize("method", ["ping", "initialize", "notifications/initialized", "notifications/cancelled"])
def test_what_keeps_a_connection_going_passes(method: str) -> None:
    assert read(rpc(method)).asked == ()


def test_an_answer_to_what_the_server_asked_passes() -> None:
    assert read({"jsonrpc": "2.0", "id": 7, "result": {}}).asked == ()


def test_every_message_of_a_batch_is_asked_about() -> None:
    asked = read([tool_call("read_a"), rpc("ping"), tool_call("delete_b", {"rows": 3})]).asked
    assert [(one.action, dict(one.arguments)) for one in asked] == [("read_a", {}), ("delete_b", {"rows": 3})]


def test_the_conversation_of_an_a2a_message_is_its_session() -> None:
    (asked,) = read(rpc("message/send", PARAMS)).asked
    assert (asked.session, asked.protocol, asked.arguments) == ("c-1", Protocol.A2A, PARAMS)


CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%s}'

MALFORMED: dict[str, Any] = {
    "no JSON": b"{",
    "nothing": b"",
    "not UTF-8": b'{"jsonrpc":"2.0","id":1,"method":"ping\xff"}',
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(rpc("ping")).encode(),
    "UTF-16": json.dumps(rpc("ping")).encode("utf-16"),
    "two values": json.dumps(rpc("ping")).encode() + b"{}",
    "NaN": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":NaN}}}',
    "infinity by size": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":1e999}}}',
    "an integer no double holds": tool_call(arguments={"rows": 2**53 + 1}),
    "an integer of 5000 digits": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":' + b"9" * 5_000 + b"}}",
    "half of a surrogate pair": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\\ud800"}}',
    "a method twice": b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}',
    "a name twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}',
    "a name twice, once escaped": CALL % b'{"name":"a","n\\u0061me":"b"}',
    "an argument twice": CALL % b'{"name":"a","arguments":{"r":1,"r":2}}',
    "another case of method": rpc("ping", Method="tools/call"),
    "another case of params": {**rpc("tools/call"), "Params": {"name": "delete_all"}},
    "another case of name": rpc("tools/call", {"name": "read_a", "Name": "delete_all"}),
    "another case of configuration": rpc("message/send", {"Configuration": {"pushNotificationConfig": {}}}),
    "a member JSON-RPC does not have": rpc("ping", message={"parts": []}),
    "an argument in two cases": rpc("tools/call", {"name": "a", "arguments": {"rows": 1, "Rows": 500}}),
    "an argument with a Kelvin sign": rpc("tools/call", {"name": "a", "arguments": {"k": 1, "\u212a": 500}}),
    "a name with a long s": rpc("tools/call", {"name": "a", "argument\u017f": {"rows": 5}}),
    "500 levels": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":' + b"[" * 500 + b"]" * 500 + b"}}",
    "100,000 levels": b"[" * 100_000,
    "17,000 values": tool_call(arguments={"x": list(range(17_000))}),
    "no version": {"id": 1, "method": "tools/call"},
    "another version": rpc("ping", jsonrpc="1.0"),
    "an empty batch": [],
    "a batch of 65": [rpc("ping")] * 65,
    "a batch in a batch": [[rpc("ping")]],
    "a text in a batch": ["ping"],
    "a number": 3,
    "a method that is a list": {**rpc("ping"), "method": ["ping"]},
    "params by position": rpc("tools/call", ["read_table"]),
    "an object as id": rpc("ping", id_={}),
    "a truth as id": rpc("ping", id_=True),
    "a call and a response": rpc("ping", result=1),
    "neither call nor response": {"jsonrpc": "2.0", "id": 1},
    "a tool without a name": rpc("tools/call", {}),
    "a name that is a list": rpc("tools/call", {"name": ["read_table"]}),
    "arguments that are a list": rpc("tools/call", {"name": "a", "arguments": [1]}),
    "a name of 513 characters": rpc("prompts/get", {"name": "n" * 513}),
}


@pytest.mark.parametrize("what", sorted(MALFORMED))
def test_a_body_that_can_be_read_in_two_ways_is_refused(what: str) -> None:
    assert refused(MALFORMED[what]).reason is Reason.BODY_MALFORMED


TRUNCATED: dict[str, dict[str, Any]] = {
    "the header says so": {"headers": [("x-envoy-auth-partial-body", "true")]},
    "size says more": {"size": 9_109},
    "content-length says more": {"headers": [("content-length", "9109")]},
    "the filter read only the beginning": {
        "filters": {MCP_FILTER: {"method": "tools/call", "params": {"name": "read_table"}, "is_exceeding_limit": True}}
    },
    "the other filter did": {"filters": {"envoy.filters.http.a2a": {"is_exceeding_limit": True}}},
}


@pytest.mark.parametrize("what", sorted(TRUNCATED))
def test_padding_past_the_limit_is_refused(what: str) -> None:
    request = envoy_request(tool_call(), **{k: v for k, v in TRUNCATED[what].items() if k != "headers"})
    for name, value in TRUNCATED[what].get("headers", ()):
        request.attributes.request.http.headers[name] = value
    passed_on = gateway_request(request)
    with pytest.raises(Refused) as caught:
        wanted(passed_on, route_of(passed_on.extensions))
    assert caught.value.reason is Reason.BODY_TRUNCATED


def test_a_body_of_more_than_a_mebibyte_is_refused() -> None:
    assert refused(tool_call(arguments={"x": "a" * (1 << 20)})).reason is Reason.BODY_TRUNCATED


@pytest.mark.parametrize(
    "header",
    [
        ("content-encoding", "gzip"),
        ("content-type", "application/json; charset=utf-16"),
        ("content-type", 'a; charset="utf-7"'),
    ],
)
def test_a_body_in_another_form_than_it_is_read_in_is_refused(header: tuple[str, str]) -> None:
    assert refused(tool_call(), headers=[header]).reason is Reason.BODY_MALFORMED


MISMATCHED: dict[str, dict[str, Any]] = {
    "another method": {"headers": [("mcp-method", "tools/list")]},
    "another name": {"headers": [("mcp-method", "tools/call"), ("mcp-name", "delete_table")]},
    "a name where there is none": {"message": rpc("tools/list"), "headers": [("mcp-name", "read_table")]},
    "one name for a batch": {"message": [tool_call()], "headers": [("mcp-name", "read_table")]},
    "one method for a batch": {
        "message": [tool_call(), tool_call("delete_a")],
        "headers": [("mcp-method", "tools/call")],
    },
    "a method said twice": {"headers": [("mcp-method", "tools/call"), ("mcp-method", "tools/call")]},
    "the filter saw another method": {"filters": {MCP_FILTER: {"method": "ping"}}},
    "the filter saw another name": {"filters": {MCP_FILTER: {"params": {"name": "delete_table"}}}},
}


@pytest.mark.parametrize("what", sorted(MISMATCHED))
@pytest.mark.parametrize("raw_headers", [False, True], ids=["map", "raw"])
def test_headers_that_do_not_say_what_the_body_says_are_refused(what: str, raw_headers: bool) -> None:
    sent = {"message": tool_call(), **MISMATCHED[what]}
    assert refused(sent.pop("message"), raw_headers=raw_headers, **sent).reason is Reason.HEADER_BODY_MISMATCH


def test_headers_and_filters_that_agree_with_the_body_change_nothing() -> None:
    said = {MCP_FILTER: {"method": "tools/call", "params": {"name": "read_table"}, "is_exceeding_limit": False}}
    (asked,) = read(tool_call(), headers=[("mcp-method", "tools/call"), ("mcp-name", "read_table")], filters=said).asked
    assert asked.tool == "warehouse.read_table"


@pytest.mark.parametrize(
    "method", ["tools/uncall", "TOOLS/CALL", "tools/call ", "sendMessage", "rpc.discover", "\u0430"]
)
def test_a_method_nobody_knows_is_refused(method: str) -> None:
    assert refused(rpc(method, PARAMS)).reason is Reason.METHOD_UNKNOWN


@pytest.mark.parametrize(("profile", "method"), [("mcp", "SendMessage"), ("a2a", "tools/call")])
def test_a_route_speaks_only_its_own_protocol(profile: str, method: str) -> None:
    assert refused(rpc(method, PARAMS), profile=profile).reason is Reason.METHOD_UNKNOWN


@pytest.mark.parametrize("name", ["Read_Table", "read table", "read\u200b_table", "r\u0435ad", "a" * 129, "export."])
def test_another_spelling_of_a_tool_is_no_tool(name: str) -> None:
    assert refused(tool_call(name)).reason is Reason.TOOL_UNKNOWN


# Plain HTTP and gRPC


@pytest.mark.parametrize(
    ("method", "action"),
    [("GET", "get_http"), ("HEAD", "get_http_head"), ("POST", "post_http"), ("DELETE", "delete_http")],
)
def test_plain_http_is_decided_by_method_and_path(method: str, action: str) -> None:
    (asked,) = read(method=method, path="/orders/7?all=1", profile="http").asked
    assert (asked.action, asked.resource_type, asked.resource_id) == (action, "url", "/orders/7")


@pytest.mark.parametrize(
    "path", ["/a//b", "/a/../b", "/a/.", "/a%2fb", "/a%2E%2e/b", "/a;x=1", "/a\\b", "/a%00", "/a%252e", "*", "/\u00e9"]
)
def test_a_path_that_resolves_in_two_ways_is_refused(path: str) -> None:
    assert refused(method="GET", path=path, profile="http").reason is Reason.REQUEST_INVALID


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get", "PROPFIND"])
def test_an_http_method_nobody_decides_about_is_refused(method: str) -> None:
    assert refused(method=method, profile="http").reason is Reason.METHOD_UNKNOWN


@pytest.mark.parametrize("header", ["x-http-method-override", "X-HTTP-Method", "x_method_override", "x-original-url"])
def test_a_header_that_makes_another_request_of_it_is_refused(header: str) -> None:
    assert refused(method="GET", profile="http", headers=[(header, "DELETE")]).reason is Reason.REQUEST_INVALID


@pytest.mark.parametrize(
    ("path", "action"),
    [("/ledger.v1.Ledger/ListEntries", "list_entries"), ("/a.B/GetURLFor", "get_url_for"), ("/a.B/delete", "delete")],
)
def test_a_grpc_call_is_decided_by_the_method_it_names(path: str, action: str) -> None:
    (asked,) = read(b"\0\0\0\0\1x", path=path, profile="grpc").asked
    assert (asked.action, asked.resource_id, asked.protocol) == (action, path[1:], Protocol.GRPC)


@pytest.mark.parametrize("path", ["/a.B", "/a.B/C/D", "/a.B/C?x", "a.B/C", "//C"])
def test_a_grpc_path_that_names_no_method_is_refused(path: str) -> None:
    assert refused(path=path, profile="grpc").reason is Reason.METHOD_UNKNOWN


def test_opening_the_stream_of_a_session_is_plain_http() -> None:
    (asked,) = read(method="GET").asked
    assert (asked.action, asked.resource_id) == ("get_http", "/mcp")


# Who calls


def test_the_verified_token_says_who_calls() -> None:
    assert calls(tool_call()).did == ANALYST_DID


def test_the_certificate_says_who_calls_where_its_trust_domain_is_trusted() -> None:
    spiffe = "spiffe://mesh.example/namespaces/data/agents/analyst"
    assert calls(tool_call(), did=None, principal=spiffe, trust_domain="mesh.example").agent == (
        "namespaces/data/agents/analyst"
    )


AMBIGUOUS: dict[str, dict[str, Any]] = {
    "nobody": {"did": None},
    "a header nobody vouches for": {"did": None, "headers": [("x-agent-did", ANALYST_DID)]},
    "a header beside another token": {"headers": [("x-agent-did", OTHER)]},
    "a header twice": {"headers": [("x-agent-did", ANALYST_DID), ("x-agent-did", OTHER)]},
    "a header twice, the same": {"headers": [("x-agent-did", ANALYST_DID), ("x-agent-did", ANALYST_DID)]},
    "a header twice, once with underscores": {"headers": [("x-agent-did", ANALYST_DID), ("x_agent_did", OTHER)]},
    "a header twice, in another case": {"headers": [("x-agent-did", ANALYST_DID), ("X-Agent-DID", OTHER)]},
    "a token about nobody": {"did": None, "claims": {"iss": "x"}},
    "a token about a person": {"did": None, "claims": {"sub": "ana"}},
    "a certificate of another trust domain": {
        "did": None,
        "principal": "spiffe://evil.example/namespaces/data/agents/analyst",
        "trust_domain": "mesh.example",
    },
    "a certificate of a trust domain that begins alike": {
        "did": None,
        "principal": "spiffe://mesh.example.evil/namespaces/data/agents/analyst",
        "trust_domain": "mesh.example",
    },
}


@pytest.mark.parametrize("what", sorted(AMBIGUOUS))
@pytest.mark.parametrize("raw_headers", [False, True], ids=["map", "raw"])
def test_who_calls_is_said_once_and_by_somebody_to_be_believed(what: str, raw_headers: bool) -> None:
    with pytest.raises(Refused) as caught:
        calls(tool_call(), raw_headers=raw_headers, **AMBIGUOUS[what])
    assert caught.value.reason is Reason.IDENTITY_AMBIGUOUS


def test_a_header_is_believed_where_the_gateway_sets_it_itself() -> None:
    sent = {"did": None, "headers": [("x-agent-did", ANALYST_DID)]}
    assert calls(tool_call(), trust_headers="true", **sent).did == ANALYST_DID


def test_a_token_for_a_delegation_is_handed_on_to_be_verified_again() -> None:
    claims = {"delegation": {"chain": "c"}}
    caller = calls(tool_call(), claims=claims, headers=[("authorization", "Bearer a.b.c")])
    assert caller.delegation_token == "a.b.c"
    with pytest.raises(Refused, match="forward: true") as caught:
        calls(tool_call(), claims=claims)
    assert caught.value.reason is Reason.CHAIN_INVALID


def test_chain_and_elevation_are_lists() -> None:
    sent = [("x-agent-chain", f"{OTHER}, {ANALYST_DID}"), ("x-ringfence-elevation", "a.b.c,d.e.f")]
    caller = calls(tool_call(), headers=sent)
    assert (caller.chain, caller.elevation_grants) == ((OTHER, ANALYST_DID), ("a.b.c", "d.e.f"))


@pytest.mark.parametrize("value", ["a,,b", ",".join("abcdefghijklmnopq"), ","])
def test_a_chain_that_is_no_list_is_refused(value: str) -> None:
    with pytest.raises(Refused) as caught:
        calls(tool_call(), headers=[("x-agent-chain", value)])
    assert caught.value.reason is Reason.REQUEST_INVALID


# Routes


def test_everything_that_is_wrong_with_a_route_is_said_at_once() -> None:
    request = gateway_request(envoy_request(tool_call(), route={}, target="analyst", tool_prefix="A", obligations="!"))
    with pytest.raises(Refused) as caught:
        route_of(request.extensions)
    assert caught.value.reason is Reason.REQUEST_INVALID
    for name in ("environment", "side", "profile", "target", "tool_prefix", "obligations"):
        assert f"{name} is " in caught.value.message
