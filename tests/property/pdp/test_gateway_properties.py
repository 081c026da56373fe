"""Whatever a gateway passes on: it is read in one way, or refused with a reason; nothing else happens."""

import json
from typing import Any

import msgspec
import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ringfence.extauthz.v3 import ext_authz_pb2 as gate
from ringfence_pdp.convert.ext_authz import gateway_request, question
from ringfence_pdp.doors.gateway import wanted
from ringfence_pdp.doors.json_reading import UnreadableJsonError, at_a_glance, read_closely, read_json
from ringfence_pdp.doors.json_rpc import read_body
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.doors.route import route_of
from ringfence_pdp.doors.who_calls import caller_of
from support.pdp.gateway import envoy_request, rpc, tool_call

NAMES = st.sampled_from(["a", "b", "name", "Name", "method", "params", "id", "jsonrpc", "\u017f", "arguments"])
TEXTS = st.text(max_size=5) | st.sampled_from(["tools/call", "ping", "2.0", "SendMessage", "\u0000", "delete_all"])
NUMBERS = st.integers(-(2**60), 2**60) | st.floats(allow_nan=True, allow_infinity=True)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES | TEXTS, below, max_size=4),
    max_leaves=12,
)
JSON_LIKE = VALUES.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
NEARLY = st.tuples(
    st.sampled_from([json.dumps(tool_call()).encode(), json.dumps([rpc("ping"), tool_call()]).encode()]),
    st.integers(0, 200),
    st.binary(max_size=6),
    st.integers(0, 6),
).map(lambda spoil: spoil[0][: spoil[1]] + spoil[2] + spoil[0][spoil[1] + spoil[3] :])
MESSAGES = [rpc("ping"), tool_call("read_a"), tool_call("delete_b")]
BODIES = JSON_LIKE | NEARLY | st.binary(max_size=60)


def read(request: gate.CheckRequest) -> list[Any] | Refused:
    """Return the questions a request comes to, or the refusal; anything else that happens is a defect."""
    try:
        passed_on = gateway_request(request)
        route = route_of(passed_on.extensions)
        claims = passed_on.claims.get(route.jwt_payload, {})
        caller = caller_of(route, passed_on.principal, claims, passed_on.headers)
        return [question(passed_on, route, caller, asked, {}) for asked in wanted(passed_on, route).asked]
    except Refused as refused:
        return refused


@settings(max_examples=300, deadline=None)
@given(body=BODIES, profile=st.sampled_from(["agents", "mcp", "a2a", "http", "grpc"]), raw=st.booleans())
@example(body=b"[" * 100_000, profile="agents", raw=True)
@example(body=b'{"a":' * 5_000, profile="mcp", raw=False)
def test_any_body_is_read_or_refused(body: bytes, profile: str, raw: bool) -> None:
    read(envoy_request(body, profile=profile, raw_headers=raw))


@settings(max_examples=300, deadline=None)
@given(body=BODIES)
def test_what_is_read_has_one_reading(body: bytes) -> None:
    """A parser written by others, which takes the last of two members of one name, comes to the same value."""
    try:
        value = read_json(body)
    except UnreadableJsonError:
        return
    assert msgspec.json.decode(body) == value
    assert read_json(json.dumps(value).encode()) == value


@settings(max_examples=500, deadline=None)
@given(body=BODIES)
@example(body=b'{"a":1,"a":2}')
@example(body=b'{"a":1,"\\u0061":2}')
@example(body=b'{"a":":","a":2}')
@example(body=b'[{"a":1},{"a":{"a":[1.0,-0,-0.0,1e3,1E-3,9007199254740992,9007199254740993]}}]')
@example(body=b'{"a":"\xed\xa0\x80"}')
@example(body=b'{"a":"\\ud800"}')
@example(body=b'{"a":"\n"}')
@example(body=b"\xef\xbb\xbf{}")
@example(body=b"[" * 64 + b"]" * 64)
@example(body=b"[" * 65 + b"]" * 65)
@example(body=b"[" + b"1," * 3_000 + b"1]")
@example(body=b"[1e400]")
@example(body=b"[" + b"9" * 400 + b"]")
@example(body=b' {"a" : 1 } ')
@example(body=b'{"a":1}x')
def test_what_is_read_at_a_glance_is_what_is_read_closely(body: bytes) -> None:
    glance = at_a_glance(body)
    if glance is not None:
        assert repr(glance) == repr(read_closely(body)), "the order of members and the kinds of numbers included"


def test_what_most_bodies_say_is_read_at_a_glance() -> None:
    sent = tool_call("read_table", {"sql": 'select "a"\n', "limit": 3, "share": 0.5, "deep": [{}, None, True, "é"]})
    body = json.dumps(sent, ensure_ascii=False).encode()
    assert at_a_glance(body) == sent


@settings(max_examples=150, deadline=None)
@given(value=st.dictionaries(NAMES, VALUES, min_size=1, max_size=3), again=VALUES)
def test_a_member_that_is_there_twice_is_refused_wherever_it_is(value: dict[str, Any], again: Any) -> None:
    name = next(iter(value))
    twice = json.dumps(value)[:-1] + f",{json.dumps(name)}:{json.dumps(again)}}}"
    for text in (twice, f"[{twice}]", f'{{"x":{{"y":{twice}}}}}'):
        with pytest.raises(UnreadableJsonError):
            read_json(text.encode())


@settings(max_examples=150, deadline=None)
@given(body=BODIES, name=st.sampled_from(["read_table", "delete_table"]))
def test_whatever_a_header_says_of_the_body_is_so_or_it_is_refused(body: bytes, name: str) -> None:
    outcome = read(envoy_request(body, headers=[("mcp-method", "tools/call"), ("mcp-name", name)]))
    if not isinstance(outcome, Refused):
        assert [one.action.tool for one in outcome] == [f"warehouse.{name}"]


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(1, 80))
def test_no_part_of_a_body_is_taken_for_the_whole(cut: int) -> None:
    whole = json.dumps([rpc("ping"), tool_call("delete_table")]).encode()
    request = envoy_request(whole)
    request.attributes.request.http.raw_body = whole[:-cut]
    assert isinstance(read(request), Refused)


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.sampled_from(["did:web:a", "did:web:b", "did:web:a,did:web:b"]), min_size=1, max_size=3),
    raw=st.booleans(),
    underscored=st.booleans(),
)
def test_an_identity_that_is_said_more_than_once_is_none(values: list[str], raw: bool, underscored: bool) -> None:
    names = ["x-agent-did"] + ["x_agent_did" if underscored else "x-agent-did"] * (len(values) - 1)
    sent = list(zip(names, values, strict=True))
    outcome = read(envoy_request(tool_call(), did=None, headers=sent, raw_headers=raw, trust_headers="true"))
    assert isinstance(outcome, Refused) is (len(values) > 1 or "," in values[0])


@settings(max_examples=200, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=5))
def test_any_bytes_of_a_gateway_are_read_or_refused(changes: list[tuple[int, int]]) -> None:
    wire = bytearray(envoy_request(tool_call(), raw_headers=True).SerializeToString())
    for place, value in changes:
        wire[place % len(wire)] = value
    try:
        request = gate.CheckRequest.FromString(bytes(wire))
    except DecodeError:
        return
    read(request)


@settings(max_examples=150, deadline=None)
@given(
    messages=st.lists(
        st.sampled_from([rpc("ping"), tool_call("read_a"), tool_call("delete_b")]), min_size=1, max_size=6
    )
)
def test_a_batch_is_the_questions_of_its_messages_in_order(messages: list[Any]) -> None:
    alone = [one for message in messages for one in questions(message)]
    assert questions(messages) == alone
    assert len(read_body(json.dumps(messages).encode()).messages) == len(messages)


def questions(message: Any) -> list[Any]:
    outcome = read(envoy_request(message))
    assert not isinstance(outcome, Refused)
    return outcome
