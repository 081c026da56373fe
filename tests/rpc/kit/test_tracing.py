"""Spans of calls: what they say, when they are made, and what is never traced."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from ringfence_kit.errors import Unauthenticated, Unavailable
from ringfence_kit.server_config import TracingConfig
from ringfence_kit.tracing import TraceParent, Tracing, is_sampled, read_traceparent
from support.echo import NAME, Echo, echo_service, failing
from support.serving import Mesh, server_config, serving
from support.wire import TEXT, messages, refusal, text_method

pytestmark = pytest.mark.usefixtures("either_port")

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = (("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),)
NOT_SAMPLED = (("traceparent", f"00-{TRACE}-b7ad6b7169203331-00"),)


class Exported:
    """A server whose spans end here."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        processor = SimpleSpanProcessor(self._exporter)
        self.tracing = Tracing(TracingConfig(sample_ratio=1.0), processor=processor)

    def spans(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def only(self) -> ReadableSpan:
        (span,) = self.spans()
        return span


@pytest.fixture
def exported() -> Exported:
    return Exported()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def mesh(echo: Echo, exported: Exported, tmp_path: Path) -> Any:
    async with serving(echo_service(echo), config=server_config(tmp_path), tracing=exported.tracing) as running:
        yield running


async def test_a_span_for_a_call(mesh: Mesh, exported: Exported) -> None:
    assert await text_method(mesh.channel(), "Say")(StringValue(value="x"), metadata=SAMPLED) == StringValue(value="x")
    span = exported.only()
    assert span.name == f"{NAME}/Say"
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.resource.attributes["service.name"] == "ringfence-echo"
    assert span.attributes is not None
    assert span.attributes["rpc.grpc.status_code"] == 0
    assert span.status.status_code is not StatusCode.ERROR


async def test_a_span_for_a_stream(mesh: Mesh, exported: Exported) -> None:
    chat = mesh.channel().stream_stream(f"/{NAME}/Chat", **TEXT)
    answers = [answer.value async for answer in chat(messages([StringValue(value="a"), StringValue(value="b")]))]
    assert answers == ["a", "b"]
    assert exported.only().name == f"{NAME}/Chat"


async def test_a_failure_is_in_its_span(mesh: Mesh, echo: Echo, exported: Exported) -> None:
    echo.failure = failing(Unavailable(problem="the store is away"))
    refused = await refusal(text_method(mesh.channel(), "Fail")(StringValue()))
    assert refused.reason == "UNAVAILABLE"
    span = exported.only()
    assert span.attributes is not None
    assert span.attributes["rpc.grpc.status_code"] == grpc.StatusCode.UNAVAILABLE.value[0]
    assert span.attributes["error.type"] == "UNAVAILABLE"
    assert span.status.status_code is StatusCode.ERROR


async def test_a_refusal_is_not_the_servers_error(mesh: Mesh, echo: Echo, exported: Exported) -> None:
    echo.failure = failing(Unauthenticated(problem="no"))
    await refusal(text_method(mesh.channel(), "Fail")(StringValue()))
    span = exported.only()
    assert span.attributes is not None
    assert span.attributes["error.type"] == "UNAUTHENTICATED"
    assert span.status.status_code is not StatusCode.ERROR


async def test_a_stream_that_fails_still_says_why(mesh: Mesh, echo: Echo, exported: Exported) -> None:
    count: Any = mesh.channel().unary_stream(f"/{NAME}/Count")
    refused = await refusal(count(b"\x0a\xff").read())
    assert refused.reason == "MALFORMED_MESSAGE"
    assert exported.only().name == f"{NAME}/Count"


async def test_calls_that_come_together_are_told_apart(mesh: Mesh, exported: Exported) -> None:
    """On the fast port they share a task, and with it the context in which the current span is kept."""
    decide = text_method(mesh.channel(), "Decide")
    theirs = range(1, 9)
    traced = [(("traceparent", f"00-{TRACE}-{span:016x}-01"),) for span in theirs]
    untraced = [NOT_SAMPLED for _ in theirs]
    both = [metadata for pair in zip(traced, untraced, strict=True) for metadata in pair]
    await asyncio.gather(*(decide(StringValue(), metadata=metadata) for metadata in both))
    parents = [span.parent.span_id if span.parent is not None else 0 for span in exported.spans()]
    assert sorted(parents) == list(theirs)


async def test_on_the_hot_path_only_for_callers_who_trace(mesh: Mesh, exported: Exported) -> None:
    decide = text_method(mesh.channel(), "Decide")
    await decide(StringValue())
    await decide(StringValue(), metadata=NOT_SAMPLED)
    assert exported.spans() == ()
    await decide(StringValue(), metadata=SAMPLED)
    assert exported.only().name == f"{NAME}/Decide"


async def test_health_and_evidence_are_not_traced(mesh: Mesh, exported: Exported) -> None:
    await HealthStub(mesh.channel()).Check(HealthCheckRequest())
    collect = mesh.channel().stream_unary(f"/{NAME}/Collect", **TEXT)
    await collect(messages([StringValue()]), metadata=SAMPLED)
    assert exported.spans() == ()


@pytest.mark.parametrize(
    ("header", "parsed"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", TraceParent(TRACE, sampled=True)),
        (f"00-{TRACE}-b7ad6b7169203331-00", TraceParent(TRACE, sampled=False)),
        (f"cc-{TRACE}-b7ad6b7169203331-03-what-the-future-brings", TraceParent(TRACE, sampled=True)),
        (f"ff-{TRACE}-b7ad6b7169203331-01", TraceParent()),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", TraceParent()),
        (f"00-{TRACE}-{'0' * 16}-01", TraceParent()),
        (f"00-{TRACE.upper()}-b7ad6b7169203331-01", TraceParent()),
        ("", TraceParent()),
        ("x" * 10_000, TraceParent()),
    ],
)
def test_traceparent(header: str, parsed: TraceParent) -> None:
    assert read_traceparent(header) == parsed
    assert is_sampled(header) == parsed.sampled


@given(st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,3})?", fullmatch=True) | st.text())
def test_whether_a_trace_is_sampled_is_what_the_whole_header_says(header: str) -> None:
    assert is_sampled(header) == read_traceparent(header).sampled


async def test_nothing_without_an_endpoint() -> None:
    tracing = Tracing(TracingConfig())
    assert not tracing.enabled
    assert tracing.server_interceptor("echo") is None
    assert tracing.client_interceptors("echo") == ()
    await tracing.close()


async def test_with_an_endpoint() -> None:
    tracing = Tracing(TracingConfig(endpoint="http://127.0.0.1:1"))
    assert tracing.server_interceptor("echo") is not None
    assert len(tracing.client_interceptors("echo")) == 4
    await tracing.close()
