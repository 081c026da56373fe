"""The published cases of W3C Trace Context: which headers name a trace, and which are as good as none."""

from typing import Any

import pytest
from ringfence_kit.calls import Call
from ringfence_kit.grants import Grant, MethodClass
from ringfence_kit.methods import Method
from ringfence_kit.metrics import Metrics
from ringfence_kit.tracing import TraceParent, is_sampled, read_traceparent
from ringfence_pdp.convert.ext_authz import trace_id_of
from ringfence_pdp.doors.headers import Headers
from support.vectors import vectors

CASES = vectors("w3c_traceparent")


def at_a_gateway(*values: str) -> bytes:
    return trace_id_of(Headers.of([("traceparent", value) for value in values]))


@pytest.mark.parametrize("case", CASES["named"], ids=lambda case: case["header"])
def test_a_header_that_names_a_trace(case: dict[str, Any]) -> None:
    assert read_traceparent(case["header"]) == TraceParent(CASES["trace_id"], sampled=case["sampled"])
    assert is_sampled(case["header"]) is case["sampled"]
    assert at_a_gateway(case["header"]).hex() == CASES["trace_id"]


@pytest.mark.parametrize("header", CASES["nothing"])
def test_a_header_that_is_none(header: str) -> None:
    assert read_traceparent(header) == TraceParent()
    assert not is_sampled(header)
    assert at_a_gateway(header) == b""


def test_a_header_said_twice_to_a_gateway_names_no_trace_and_refuses_nothing() -> None:
    header = CASES["named"][0]["header"]
    assert at_a_gateway() == at_a_gateway(header, header) == b""


def test_a_header_said_twice_in_a_call_names_no_trace() -> None:
    said = ("traceparent", CASES["named"][0]["header"])
    assert call(said).is_sampled
    assert call(said).fields()["trace_id"] == CASES["trace_id"]
    assert not call(said, said).is_sampled
    assert "trace_id" not in call(said, said).fields()


def call(*metadata: tuple[str, str]) -> Call:
    method = Method(
        path="/echo/Say",
        grant=Grant.open(does=MethodClass.READ),
        behavior=never,
        decode=None,
        encode=None,
        request_streaming=False,
        response_streaming=False,
        max_request_bytes=1,
        meter=Metrics().meter("echo", "echo/Say", is_stream=False),
        traced=False,
    )
    return Call(method, metadata, "ipv4:10.0.0.1:1234")


async def never(_request: object, _context: object) -> bytes:
    raise AssertionError("nobody calls it")
