"""Requests that one server reads as what was decided and another as something else: holes published of other gateways.

Each passed, or was decided as something harmless, before it was tried here: encoded and cut paths (CVE-2021-32779,
CVE-2026-26205, CVE-2026-32811), hosts in capitals (CVE-2021-39155), messages smuggled by the spelling of a member
(CVE-2026-27896, GHSA-4gph-2hhr-5mwg), bodies that mean one thing to JSON-RPC and another to the path they are sent to.
"""

import hashlib
from typing import Any

import pytest
from ringfence_pdp.convert.ext_authz import content_digest, gateway_request, seen_at_gate, unread_content
from ringfence_pdp.doors.gateway import Wanted, wanted
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.doors.route import route_of
from ringfence_pdp.model import Reason
from support.pdp.gateway import envoy_request, rpc


def read(*args: Any, **kwargs: Any) -> Wanted:
    request = gateway_request(envoy_request(*args, **kwargs))
    return wanted(request, route_of(request.extensions))


def refused(*args: Any, **kwargs: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        read(*args, **kwargs)
    return caught.value


# What a server behind believes of headers, and a rule never saw


@pytest.mark.parametrize("profile", ["http", "mcp"])
@pytest.mark.parametrize(
    "header",
    [
        ("x-original-uri", "/admin"),
        ("X-Original-URI", "/orders/7?admin=1"),
        ("x_original_uri", "/admin"),
        ("x-forwarded-uri", "/orders/7/../../admin"),
        ("x-forwarded-uri", "https://admin.example.com/orders/7?x=1"),
        ("x-forwarded-path", "/admin"),
        ("x-envoy-original-path", "/admin"),
        ("x-envoy-original-path", ""),
        ("x-request-uri", "/admin"),
        ("x-original-method", "DELETE"),
        ("x-forwarded-method", "post"),
        ("x-forwarded-host", "admin.example.com"),
        ("x-forwarded-host", "orders.example.com, admin.example.com"),
        ("x-original-host", "admin.example.com"),
        ("x-host", "admin.example.com"),
        ("forwarded", "for=1.2.3.4;host=admin.example.com"),
        ("forwarded", 'for=1.2.3.4, Host = "admin.example.com"'),
        ("forwarded", 'for="1.2.3.4 host=orders.example.com'),
    ],
)
def test_a_header_that_makes_another_request_of_it_is_refused(header: tuple[str, str], profile: str) -> None:
    found = refused(rpc("ping"), path="/orders/7?x=1", profile=profile, headers=[header])
    assert found.reason is Reason.REQUEST_INVALID
    assert f"the header {header[0].lower().replace('_', '-')} says" in found.message


def test_of_two_headers_both_have_to_say_what_the_request_says() -> None:
    same = [("x-original-uri", "/orders/7"), ("x-original-uri", "/admin")]
    for headers in (same, same[::-1]):
        sent = {"method": "GET", "path": "/orders/7", "profile": "http", "headers": headers}
        assert refused(**sent).reason is Reason.REQUEST_INVALID
        assert refused(**sent, raw_headers=True).reason is Reason.REQUEST_INVALID


@pytest.mark.parametrize(
    "header",
    [
        ("x-original-uri", "/orders/7?x=1"),
        ("x-original-uri", "https://Orders.Example.com:443/orders/7?x=1"),
        ("x-envoy-original-path", "/orders/7?x=1"),
        ("x-original-method", "GET"),
        ("x-forwarded-host", "Orders.example.com:443, orders.example.com"),
        ("x-forwarded-server", "proxy-7d9f"),  # of the proxy, as Apache and Traefik write it
        ("forwarded", 'for=1.2.3.4;proto=https;host="orders.example.com", for=5.6.7.8'),
        ("forwarded", "for=1.2.3.4"),
        ("x-forwarded-for", "1.2.3.4"),
    ],
)
def test_a_header_that_repeats_the_request_is_none(header: tuple[str, str]) -> None:
    (asked,) = read(method="GET", path="/orders/7?x=1", profile="http", headers=[header]).asked
    assert asked.resource_id == "/orders/7"


# What JSON-RPC sees as a message and something else does not

HARMLESS = [rpc("ping"), rpc("ping", id_="task-7"), {"jsonrpc": "2.0", "method": "notifications/initialized"}]


@pytest.mark.parametrize("message", HARMLESS, ids=["ping", "ping of a task", "notification"])
@pytest.mark.parametrize("method", ["DELETE", "GET", "PUT", "PATCH", "OPTIONS"])
def test_a_body_that_passes_lets_no_other_method_pass(method: str, message: Any) -> None:
    assert refused(message, method=method, path="/tasks/7").reason is Reason.METHOD_UNKNOWN


@pytest.mark.parametrize("message", HARMLESS, ids=["ping", "ping of a task", "notification"])
@pytest.mark.parametrize(
    "path",
    [
        "/message:send",
        "/v1/message%3Astream",
        "/tenant/tasks/7:cancel/",
        "/tasks/7:subscribe?x=1",
        "/tasks/7/pushNotificationConfigs",
        "/lf.a2a.v1.A2AService/CancelTask",
        "/rpc/lf.a2a.v1.A2AService/SendMessage",
    ],
)
def test_a_body_that_passes_opens_no_other_binding(path: str, message: Any) -> None:
    assert refused(message, path=path).reason is Reason.METHOD_UNKNOWN


@pytest.mark.parametrize("path", ["/", "/mcp", "/a2a/v1", "/example.com/mcp", "/api.v1/mcp", "/tenant/message"])
def test_an_endpoint_of_json_rpc_is_one(path: str) -> None:
    assert read(rpc("ping"), path=path).asked == ()


@pytest.mark.parametrize(
    ("profile", "to"), [("mcp", "websocket"), ("agents", "WebSocket"), ("http", "h2c"), ("grpc", "h2c")]
)
def test_a_connection_that_becomes_another_is_refused(profile: str, to: str) -> None:
    sent = {"method": "GET", "path": "/a", "profile": profile, "headers": [("upgrade", to)]}
    assert refused(**sent).reason is Reason.REQUEST_INVALID


def test_a_websocket_of_plain_http_is_decided_by_its_path() -> None:
    (asked,) = read(method="GET", path="/live", profile="http", headers=[("upgrade", "websocket")]).asked
    assert (asked.action, asked.resource_id) == ("get_http", "/live")


@pytest.mark.parametrize(
    "header",
    [
        ("content-type", "application/json; charset=utf-8; charset=utf-7"),
        ("content-type", "application/json; charset*=utf-16''x"),
        ("content-type", "multipart/form-data; boundary=x"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "application/grpc"),
        ("transfer-encoding", "gzip, chunked"),
    ],
)
def test_a_body_others_read_as_something_else_is_refused(header: tuple[str, str]) -> None:
    assert refused(rpc("ping"), headers=[header]).reason is Reason.BODY_MALFORMED


@pytest.mark.parametrize(
    "content_type",
    ["application/json", 'Application/JSON; charset="UTF-8"', "application/a2a+json", "application/json-rpc"],
)
def test_a_body_may_say_that_it_is_json(content_type: str) -> None:
    assert read(rpc("ping"), headers=[("content-type", content_type)]).asked == ()


@pytest.mark.parametrize(
    "uri",
    [
        "file:///tmp/../etc/passwd",
        "file:///tmp/%2e%2e/etc/passwd",
        "file:////etc/passwd",
        "file:///%65tc/passwd",
        "FILE:///etc/passwd",
        "file:\\\\etc",
        "file:///etc/passwd#",
        "file:///etc/passwd\0",
        "note:../secret",
        "../secret",
        "fi\tle:///etc/passwd",
    ],
)
def test_a_uri_that_resolves_in_two_ways_is_refused(uri: str) -> None:
    assert refused(rpc("resources/read", {"uri": uri})).reason is Reason.REQUEST_INVALID


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("file://localhost/etc/passwd", "file:///etc/passwd"),
        ("file:/etc/passwd", "file:///etc/passwd"),
        ("file:///my notes/caf\u00e9", "file:///my%20notes/caf%C3%A9"),
        ("file:///my%20notes/caf%c3%a9", "file:///my%20notes/caf%C3%A9"),
        ("https://h.example/x?u=https://b//c", "https://h.example/x?u=https://b//c"),
        ("note:a", "note:a"),
    ],
)
def test_two_spellings_of_a_uri_are_one_resource(uri: str, named: str) -> None:
    (asked,) = read(rpc("resources/read", {"uri": uri})).asked
    assert asked.resource_id == named


TWO_TASKS = {"id": "mine", "taskId": "yours"}


@pytest.mark.parametrize(
    "method", ["tasks/get", "tasks/cancel", "GetTask", "CancelTask", "tasks/pushNotificationConfig/get"]
)
def test_a_call_names_one_task(method: str) -> None:
    assert refused(rpc(method, TWO_TASKS)).reason is Reason.BODY_MALFORMED
    assert refused(rpc(method, {"id": 7})).reason is Reason.BODY_MALFORMED
    assert read(rpc(method, {"id": "a", "taskId": "a"})).asked[0].resource_id == "a"


def test_a_configuration_of_a2a_1_has_an_id_besides_its_task() -> None:
    (asked,) = read(rpc("DeleteTaskPushNotificationConfig", TWO_TASKS)).asked
    assert asked.resource_id == "yours"


@pytest.mark.parametrize("member", ["pushNotificationConfig", "push_notification_config", "taskPushNotificationConfig"])
@pytest.mark.parametrize("method", ["message/send", "message/stream", "SendMessage", "SendStreamingMessage"])
def test_where_to_push_is_decided_wherever_it_is_said(method: str, member: str) -> None:
    pushed = {member: {"url": "http://169.254.169.254/"}}
    message = rpc(method, {"message": {}, "configuration": {"blocking": True, **pushed}})
    sent, configured = read(message).asked
    assert sent.action.startswith("send_")
    assert (configured.action, dict(configured.arguments)) == ("create_task_push_notification_config", pushed)
    assert refused([message]).reason is Reason.BODY_MALFORMED


def test_a_message_that_configures_nothing_is_one_action() -> None:
    quiet = {"message": {}, "configuration": {"acceptedOutputModes": ["text"], "pushNotificationConfig": None}}
    assert len(read(rpc("message/send", quiet)).asked) == 1


# Paths, parameters and hosts


@pytest.mark.parametrize(
    "path",
    [
        "/%61dmin",
        "/admin%2dx",
        "/admin#x",
        "/a%3bx=1",
        "/a%3fx",
        "/a%23x",
        "/a%0a",
        "/a%7f",
        "/a%zz",
        "/a%",
        "/a%c0%af",
    ],
)
def test_a_path_some_servers_decode_or_cut_off_is_refused(path: str) -> None:
    for route in ({"method": "GET", "profile": "http"}, {"message": rpc("ping")}):
        assert refused(path=path, **route).reason is Reason.REQUEST_INVALID


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/agents/7%3adelete", "/agents/7:delete"),
        ("/u/a%40b.c", "/u/a@b.c"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a|b", "/a%7Cb"),
        ("/~x%7Ey", "/~x~y"),
    ],
)
def test_two_spellings_of_a_path_are_one_resource(path: str, named: str) -> None:
    (asked,) = read(method="GET", path=path, profile="http").asked
    assert asked.resource_id == named
    assert _seen(path=path)["path"] == named


@pytest.mark.parametrize(
    "host", ["ADMIN.example.com", "admin.example.com.", "admin.example.com:443", "Admin.Example.com.:80"]
)
def test_two_spellings_of_a_host_are_one_host(host: str) -> None:
    assert _seen(host=host)["host"] == "admin.example.com"


@pytest.mark.parametrize(
    "host", ["a@admin.example.com", "admin.example.com,b", "a b", "\u0430dmin.example.com", "a..b"]
)
def test_a_host_that_can_be_read_in_two_ways_is_refused(host: str) -> None:
    with pytest.raises(Refused) as caught:
        _seen(host=host)
    assert caught.value.reason is Reason.REQUEST_INVALID


def _seen(*, path: str = "/a", host: str = "orders.example.com") -> dict[str, str]:
    request = envoy_request(method="GET", path=path, profile="http")
    request.attributes.request.http.host = host
    passed_on = gateway_request(request)
    return seen_at_gate(passed_on)["gateway"]


def test_nobody_can_try_out_what_a_body_was_that_the_log_has_the_digest_of() -> None:
    """A PIN has ten thousand spellings: whoever reads the log must not be able to digest them all."""
    passed_on = gateway_request(envoy_request({"pin": "4711"}, path="/login?u=ada", profile="http"))
    content = unread_content(passed_on, route_of(passed_on.extensions))
    made = content_digest(b"k" * 32, content)
    guessed = {hashlib.sha256(text).hexdigest() for text in (content, b"u=ada\0" + passed_on.body, passed_on.body)}
    assert made.removeprefix("hmac-sha256-") not in guessed
    assert content_digest(b"k" * 32, content) == made
    assert content_digest(b"l" * 32, content) != made
    assert seen_at_gate(passed_on, made)["gateway"]["content_digest"] == made


def test_what_is_read_and_what_is_not_there_has_no_digest() -> None:
    for request in (envoy_request(rpc("ping")), envoy_request(method="GET", path="/a", profile="http")):
        passed_on = gateway_request(request)
        assert unread_content(passed_on, route_of(passed_on.extensions)) == b""
        assert "content_digest" not in seen_at_gate(passed_on)["gateway"]


@pytest.mark.parametrize(
    "query", ["_method=DELETE", "a=1&%5fmethod=DELETE", "a=1;_METHOD=PUT", "X-HTTP-Method-Override=PUT"]
)
def test_a_parameter_that_makes_another_request_of_it_is_refused(query: str) -> None:
    assert refused(path=f"/orders/1?{query}", profile="http").reason is Reason.REQUEST_INVALID
