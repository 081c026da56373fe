"""OTLP in over the wire: stock clients, gzip, partial success, refusals SDKs understand, who may report for whom."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_telemetry.config import IngestConfig
from support.serving import OPERATOR, SERVICE
from support.telemetry.mesh import (
    AGENT,
    AGENT_DID,
    AUDITOR,
    GATEWAY,
    KINDS,
    OWNER,
    PEER_DID,
    TelemetryMesh,
    quiet,
    telemetry_mesh,
)
from support.telemetry.spans import SpanSpec, request_of
from support.wire import messages, raw_method, refusal

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PORTS = ("telemetry.otlp_listen", *KINDS)


@pytest.fixture(params=KINDS)
def port(request: pytest.FixtureRequest) -> str:
    """Run the test once on each kind of port."""
    return str(request.param)


@pytest.fixture
async def telemetry(tmp_path: Path, port: str) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, port=port) as running:
        yield running


def now_ms(telemetry: TelemetryMesh) -> int:
    return telemetry.clock.now()


def call(name: int, *, agent: str = "", tokens: int = 10, parent: int = 0) -> SpanSpec:
    attributes: dict[str, str | int | float | bool | bytes | None] = {"gen_ai.usage.input_tokens": tokens}
    if agent:
        attributes["gen_ai.agent.id"] = agent
    return SpanSpec(name, parent, attributes)


@pytest.mark.parametrize("port", PORTS)
async def test_every_port_takes_spans(telemetry: TelemetryMesh) -> None:
    response = await telemetry.traces().Export(request_of([call(1, agent=AGENT_DID)]))
    assert response == ExportTraceServiceResponse()
    assert not response.HasField("partial_success")  # OTLP: unset on full success
    usage = await telemetry.usage_by_agent()
    assert usage[AGENT_DID, False].input_tokens == 10


async def test_an_empty_request_succeeds(telemetry: TelemetryMesh) -> None:
    assert await telemetry.traces().Export(ExportTraceServiceRequest()) == ExportTraceServiceResponse()


async def test_items_that_are_no_spans_are_a_partial_success(telemetry: TelemetryMesh) -> None:
    request = request_of([call(1), call(2), call(3)])
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[0].span_id = b""
    spans[1].trace_id = b"short"
    response = await telemetry.traces().Export(request)
    assert response.partial_success.rejected_spans == 2
    assert "16 and 8 bytes" in response.partial_success.error_message
    metrics = await telemetry.metrics()
    assert (
        metrics['otlp_received_items_total{signal="traces"}'],
        metrics['otlp_rejected_items_total{signal="traces"}'],
    ) == (3, 2)


async def test_gzip_is_understood(telemetry: TelemetryMesh) -> None:
    await telemetry.traces().Export(
        request_of([call(name) for name in range(1, 200)]), compression=grpc.Compression.Gzip
    )
    assert (await telemetry.metrics())['otlp_acknowledged_items_total{signal="traces"}'] == 199


async def test_attribute_values_of_every_kind_are_harmless(telemetry: TelemetryMesh) -> None:
    request = request_of([call(1)])
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for key in ("gen_ai.agent.id", "session.id", "gen_ai.usage.output_tokens", "gen_ai.operation.name"):
        value = span.attributes.add(key=key).value
        value.array_value.values.add().kvlist_value.values.add(key="deep")
    span.attributes.add(key="gen_ai.request.model")
    await telemetry.traces().Export(request)
    assert (await telemetry.usage_by_agent())["unattributed", False].span_count == 1


NO_REQUESTS = {
    "noise": b"\xff\xff\xff",
    "text": b"\x0a\x05hello",
    "cut off": request_of([call(1)]).SerializeToString()[:-3],
    "not UTF-8": request_of([SpanSpec(1, attributes={"k": "v"})]).SerializeToString().replace(b"span 1", b"\xffpan 1"),
}


async def test_bytes_that_are_no_request(telemetry: TelemetryMesh) -> None:
    export = raw_method(telemetry.channel(setting=telemetry.port), EXPORT)
    for what, payload in NO_REQUESTS.items():
        refused = await refusal(export(messages([payload])))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE"), what
    metrics = await telemetry.metrics()
    assert (
        metrics['otlp_received_items_total{signal="traces"}'],
        metrics['otlp_acknowledged_items_total{signal="traces"}'],
    ) == (0, 0)


async def test_a_request_over_the_limit_is_refused_for_good(tmp_path: Path, port: str) -> None:
    config = quiet(ingest=IngestConfig(max_request_bytes=10_000))
    async with telemetry_mesh(tmp_path, config=config, port=port) as telemetry:
        large = request_of([SpanSpec(1, attributes={"padding": "x" * 20_000})])
        refused = await refusal(telemetry.traces().Export(large))
        assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
        assert refused.retry_after is None  # OTLP: not to be retried
        assert "google.rpc.retryinfo-bin" not in refused.trailers
        # The limit holds after decompression: a bomb of zeros is small on the wire only.
        bomb = await refusal(telemetry.traces().Export(large, compression=grpc.Compression.Gzip))
        assert (bomb.code, bomb.reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
        await telemetry.export([call(1)])


async def test_a_bomb_never_unfolds_in_memory(tmp_path: Path, port: str) -> None:
    config = quiet(ingest=IngestConfig(max_request_bytes=100_000))
    async with telemetry_mesh(tmp_path, config=config, port=port) as telemetry:
        request = request_of([SpanSpec(1, attributes={"zeros": "0" * 10_000_000})])
        assert len(gzip.compress(request.SerializeToString())) < 100_000
        refused = await refusal(telemetry.traces().Export(request, compression=grpc.Compression.Gzip))
        assert refused.code == "RESOURCE_EXHAUSTED"
        await telemetry.export([call(1)])


async def test_a_disk_that_is_nearly_full_is_said_in_both_trailers(tmp_path: Path, port: str) -> None:
    config = quiet(ingest=IngestConfig(free_bytes=2**60))
    async with telemetry_mesh(tmp_path, config=config, port=port) as telemetry:
        refused = await refusal(telemetry.export([call(1), call(2)]))
        assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "INGEST_OVERLOADED")
        assert refused.retry_after is not None
        assert 500 <= refused.retry_after <= 2_000
        trailer = refused.trailers["google.rpc.retryinfo-bin"]
        assert isinstance(trailer, bytes)
        assert RetryInfo.FromString(trailer).retry_delay.ToMilliseconds() == refused.retry_after
        metrics = await telemetry.metrics()
        assert (
            metrics['otlp_received_items_total{signal="traces"}'],
            metrics['otlp_refused_items_total{signal="traces"}'],
        ) == (2, 2)


async def test_who_may_report(telemetry: TelemetryMesh) -> None:
    reporters = (AGENT, GATEWAY, SERVICE, OPERATOR)
    for number, caller in enumerate(reporters, start=1):
        await telemetry.export([call(number)], caller)
        metrics = await telemetry.metrics()
        assert metrics['otlp_acknowledged_items_total{signal="traces"}'] == number, caller.principal


async def test_who_may_not(telemetry: TelemetryMesh) -> None:
    nobodies = {
        ANONYMOUS: ("UNAUTHENTICATED", "UNAUTHENTICATED"),
        AUDITOR: ("PERMISSION_DENIED", "NOT_PERMITTED"),
        OWNER: ("PERMISSION_DENIED", "NOT_PERMITTED"),
        Caller(principal="test:ann", roles=frozenset({Role.APPROVER})): ("PERMISSION_DENIED", "NOT_PERMITTED"),
    }
    for caller, why in nobodies.items():
        refused = await refusal(telemetry.export([call(1)], caller))
        assert (refused.code, refused.reason) == why, caller.principal
    assert (await telemetry.metrics())['otlp_received_items_total{signal="traces"}'] == 0


async def test_an_agent_reports_itself_and_nobody_else(telemetry: TelemetryMesh) -> None:
    await telemetry.export([call(1), call(2, agent="my planner"), call(3, agent=PEER_DID, tokens=500)], AGENT)
    usage = await telemetry.usage_by_agent()
    assert usage[AGENT_DID, False].input_tokens == 20
    assert usage[PEER_DID, True].input_tokens == 500
    assert (PEER_DID, False) not in usage


async def test_a_gateway_reports_the_agents_bound_to_it(telemetry: TelemetryMesh) -> None:
    await telemetry.export([call(1, agent=AGENT_DID), call(2, agent="did:web:agents.example:stranger")], GATEWAY)
    usage = await telemetry.usage_by_agent()
    assert set(usage) == {(AGENT_DID, False), ("did:web:agents.example:stranger", True)}


async def test_the_same_spans_through_two_collectors_count_once(telemetry: TelemetryMesh) -> None:
    spans = [call(1, agent=AGENT_DID), call(2, parent=1, tokens=10)]
    for caller in (SERVICE, GATEWAY, AGENT, SERVICE):
        await telemetry.export(spans, caller)
    usage = await telemetry.usage_by_agent()
    assert (usage[AGENT_DID, False].span_count, usage[AGENT_DID, False].input_tokens) == (2, 10)
    assert (await telemetry.metrics())['otlp_duplicate_items_total{signal="traces"}'] == 6


@pytest.mark.parametrize("start_ms", [0, 4_102_444_800_000])
async def test_a_clock_in_1970_or_2100_counts_now(telemetry: TelemetryMesh, start_ms: int) -> None:
    before = now_ms(telemetry)
    await telemetry.export([SpanSpec(1, start_ms=start_ms)])
    await telemetry.everything_counted()
    request = pb.GetUsageRequest()
    request.start_time.FromMilliseconds(before)
    request.end_time.FromMilliseconds(before + 120_000)
    response = await telemetry.usage().GetUsage(request)
    assert [row.span_count for row in response.rows] == [1]


async def test_the_real_opentelemetry_sdk_exports_here(telemetry: TelemetryMesh) -> None:
    exporter = OTLPSpanExporter(
        endpoint=telemetry.mesh.address(telemetry.port),
        insecure=True,
        headers=tuple(telemetry.mesh.metadata(SERVICE)),
        compression=grpc.Compression.Gzip,
        timeout=10,
    )
    provider = TracerProvider(resource=Resource.create({"service.name": "billing"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("tests")

    def work() -> None:
        with tracer.start_as_current_span("invoke_agent planner") as root:
            root.set_attribute("gen_ai.operation.name", "invoke_agent")
            root.set_attribute("gen_ai.agent.id", AGENT_DID)
            root.set_attribute("gen_ai.conversation.id", "c-1")
            root.set_attribute("gen_ai.usage.input_tokens", 120)
            for _ in range(2):
                with tracer.start_as_current_span("chat") as chat:
                    chat.set_attribute("gen_ai.operation.name", "chat")
                    chat.set_attribute("gen_ai.response.model", "m")
                    chat.set_attribute("gen_ai.usage.input_tokens", 60)
                    chat.set_attribute("gen_ai.usage.output_tokens", 7)
            with tracer.start_as_current_span("execute_tool") as tool:
                tool.set_attribute("gen_ai.operation.name", "execute_tool")
        provider.shutdown()  # flushes, and waits for the answer

    await asyncio.to_thread(work)
    await telemetry.everything_counted()
    request = pb.GetUsageRequest(
        agent=AGENT_DID,
        session="c-1",
        group_by=[pb.USAGE_GROUP_AGENT, pb.USAGE_GROUP_SESSION, pb.USAGE_GROUP_MODEL, pb.USAGE_GROUP_OPERATION],
    )
    response = await telemetry.usage().GetUsage(request)
    rows = {row.operation: row for row in response.rows}
    assert {row.agent for row in response.rows} == {AGENT_DID}
    assert (rows["chat"].input_tokens, rows["chat"].output_tokens, rows["chat"].span_count) == (120, 14, 2)
    assert rows["chat"].model == "m"
    assert rows["invoke_agent"].input_tokens == 0  # its children account for all of it
    assert rows["execute_tool"].tool_call_count == 1


async def test_profiles_are_not_served(telemetry: TelemetryMesh) -> None:
    path = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
    refused = await refusal(raw_method(telemetry.channel(setting=telemetry.port), path)(messages([b""])))
    assert (refused.code, refused.reason) == ("UNIMPLEMENTED", "METHOD_UNKNOWN")


async def test_names_as_long_as_they_may_be_make_no_answer_too_large(telemetry: TelemetryMesh) -> None:
    spans = [
        SpanSpec(
            number,
            attributes={
                "gen_ai.agent.id": f"{number:4}" + "\N{ROCKET}" * 300,
                "session.id": f"{number:4}" + "\N{ROCKET}" * 300,
                "gen_ai.usage.input_tokens": number,
            },
            trace=number,
        )
        for number in range(1, 2_301)
    ]
    await telemetry.export(spans)
    await telemetry.everything_counted()
    groups = [pb.USAGE_GROUP_AGENT, pb.USAGE_GROUP_SESSION]
    response = await telemetry.usage().GetUsage(pb.GetUsageRequest(group_by=groups))
    assert 1_000 < len(response.rows) < 2_300
    assert response.rows[0].input_tokens == 2_300
    assert response.ByteSize() < 4 * 2**20


async def test_the_equation_is_published_and_holds(telemetry: TelemetryMesh) -> None:
    backwards: Any = SpanSpec(77, duration_ms=-1)
    await telemetry.export([call(1), call(2), call(2), backwards])
    await telemetry.usage_by_agent()
    metrics = await telemetry.metrics()
    assert metrics['otlp_received_items_total{signal="traces"}'] == (
        metrics['otlp_acknowledged_items_total{signal="traces"}']
        + metrics['otlp_refused_items_total{signal="traces"}']
        + metrics['otlp_rejected_items_total{signal="traces"}']
    )
    assert metrics['otlp_acknowledged_items_total{signal="traces"}'] == (
        metrics['otlp_rolled_up_items_total{signal="traces"}']
        + metrics['otlp_duplicate_items_total{signal="traces"}']
        + metrics['otlp_pending_items{signal="traces"}']
    )
    assert (
        metrics['otlp_rolled_up_items_total{signal="traces"}'],
        metrics['otlp_duplicate_items_total{signal="traces"}'],
    ) == (2, 1)
