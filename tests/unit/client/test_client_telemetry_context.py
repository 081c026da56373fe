"""Context over hops without headers: A2A metadata, MCP _meta; whose session, team and agent it is on the other side."""

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context, trace
from ringfence.telemetry import extract, inject, outgoing, received
from support.senders.instrumented import Instrumented

ANALYST = "did:web:agents.example:analyst"
RESEARCHER = "did:web:agents.example:researcher"


@pytest.mark.parametrize("carrier", [{"kept": "as it is"}, Struct()], ids=["MCP _meta", "A2A metadata"])
def test_the_called_agent_works_in_the_callers_trace_and_session(carrier: dict[str, str] | Struct) -> None:
    caller, called = Instrumented(ANALYST, team="sales"), Instrumented(RESEARCHER, team="research", session="own")
    with caller.telemetry.invoke_agent("analyst", session="s-1"), caller.telemetry.call_agent(RESEARCHER):
        caller.telemetry.inject(carrier)
    with called.telemetry.received(carrier), called.telemetry.invoke_agent("researcher"):
        pass
    calling, _ = caller.spans
    work = called.only()
    assert work.context.trace_id == calling.context.trace_id
    assert work.parent is not None
    assert work.parent.span_id == calling.context.span_id
    stated = dict(work.attributes or {})
    assert stated["session.id"] == "s-1"
    assert (stated["gen_ai.agent.id"], stated["ringfence.team"]) == (RESEARCHER, "research")


def test_the_keys_are_the_bare_ones_and_the_rest_is_left_alone() -> None:
    caller = Instrumented(ANALYST, team="sales")
    meta = {"progressToken": "7"}
    with caller.telemetry.invoke_agent("analyst", session="s 1"):
        inject(meta)
    assert set(meta) == {"progressToken", "traceparent", "baggage"}
    assert meta["progressToken"] == "7"
    assert "session.id=s+1" in meta["baggage"] or "session.id=s%201" in meta["baggage"]
    assert outgoing(context.Context()) == {}


def test_a_header_names_neither_agent_nor_team() -> None:
    called = Instrumented(RESEARCHER)
    forged = {"baggage": f"gen_ai.agent.id={ANALYST},ringfence.team=rich,session.id=s-1"}
    telemetry = called.telemetry
    with telemetry.received(forged), telemetry.invoke_agent("researcher"), telemetry.execute_tool("t"):
        sent = outgoing()
    stated = called.stated("execute_tool t")
    assert (stated["gen_ai.agent.id"], stated["session.id"]) == (RESEARCHER, "s-1")
    assert "ringfence.team" not in stated
    assert ANALYST not in sent["baggage"].replace("%3A", ":")


def test_an_explicit_session_goes_before_the_callers() -> None:
    called = Instrumented(RESEARCHER)
    telemetry, theirs = called.telemetry, {"baggage": "session.id=theirs"}
    with telemetry.received(theirs), telemetry.invoke_agent(session="mine"), telemetry.execute_tool("t"):
        pass
    assert called.stated("execute_tool t")["session.id"] == "mine"


def test_a_context_can_be_given_where_no_block_is_around_the_work() -> None:
    caller, called = Instrumented(ANALYST), Instrumented(RESEARCHER)
    with caller.telemetry.invoke_agent("analyst", session="s-1") as work:
        carrier = outgoing()
    with called.telemetry.invoke_agent("researcher", context=extract(carrier)) as hop:
        assert hop.trace_id == work.trace_id
    assert called.stated("invoke_agent researcher")["session.id"] == "s-1"


def test_after_the_block_nothing_is_left() -> None:
    with received({"traceparent": f"00-{1:032x}-{1:016x}-01", "baggage": "session.id=s-1"}):
        assert trace.get_current_span().get_span_context().trace_id == 1
    assert not trace.get_current_span().get_span_context().is_valid
    assert baggage.get_baggage("session.id") is None


@pytest.mark.parametrize(
    "carrier",
    [
        None,
        {},
        {"traceparent": 7, "baggage": ["session.id=s"]},
        {"traceparent": "00-zz", "tracestate": "\x00", "baggage": "=,;;=%"},
        {"traceparent": f"00-{0:032x}-{0:016x}-01"},
        {"baggage": "session.id=" + "s" * 10_000},
    ],
)
def test_what_is_no_context_is_as_if_it_were_not_there(carrier: dict[str, object] | None) -> None:
    called = Instrumented(RESEARCHER)
    with called.telemetry.received(carrier), called.telemetry.invoke_agent("researcher"):
        pass
    assert called.only().parent is None
    assert "session.id" not in dict(called.only().attributes or {})


@given(st.dictionaries(st.sampled_from(["traceparent", "tracestate", "baggage"]), st.text()))
def test_no_header_breaks_the_work(carrier: dict[str, str]) -> None:
    with received(carrier):
        outgoing()
