"""Logs and metrics over the wire: durable like spans, counted apart from them, refused in the same words."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)
from ringfence_kit.callers import ANONYMOUS, Caller
from ringfence_telemetry.config import IngestConfig
from support.serving import OPERATOR
from support.telemetry.mesh import AGENT, AUDITOR, GATEWAY, KINDS, TelemetryMesh, quiet, telemetry_mesh
from support.telemetry.spans import SpanSpec
from support.wire import messages, raw_method, refusal

LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


@pytest.fixture(params=KINDS)
async def telemetry(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, port=request.param) as running:
        yield running


def logs(count: int) -> ExportLogsServiceRequest:
    records = [LogRecord(severity_text="INFO", trace_id=bytes(number)) for number in range(count)]
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=records)])])


def metrics(*found: Metric) -> ExportMetricsServiceRequest:
    return ExportMetricsServiceRequest(resource_metrics=[ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=found)])])


def every_kind_of_metric() -> list[Metric]:
    """Return a metric of each kind: nine data points."""
    return [
        Metric(name="g", gauge=Gauge(data_points=[NumberDataPoint(as_double=float("nan"))])),
        Metric(name="s", sum=Sum(data_points=[NumberDataPoint(as_int=2**63 - 1)] * 2)),
        Metric(
            name="h",
            histogram=Histogram(
                data_points=[HistogramDataPoint(bucket_counts=[1, 2], explicit_bounds=[5]), HistogramDataPoint()]
            ),
        ),
        Metric(name="e", exponential_histogram=ExponentialHistogram(data_points=[ExponentialHistogramDataPoint()])),
        Metric(name="y", summary=Summary(data_points=[SummaryDataPoint()] * 3)),
        Metric(name="nothing"),
    ]


def log_stub(telemetry: TelemetryMesh, caller: Caller = OPERATOR) -> Any:
    return LogsServiceStub(telemetry.channel(caller, telemetry.port))  # type: ignore[no-untyped-call] # its package has no types


def metric_stub(telemetry: TelemetryMesh, caller: Caller = OPERATOR) -> Any:
    return MetricsServiceStub(telemetry.channel(caller, telemetry.port))  # type: ignore[no-untyped-call] # its package has no types


async def counted(telemetry: TelemetryMesh, signal: str, *, received: int) -> dict[str, float]:
    """Return the terms of a signal's equation, once nothing of it is pending."""
    while True:
        found = await telemetry.metrics()
        terms = {
            term: found[f'otlp_{term}_items_total{{signal="{signal}"}}']
            for term in ("received", "acknowledged", "refused", "rejected", "rolled_up", "duplicate")
        }
        pending = found[f'otlp_pending_items{{signal="{signal}"}}']
        assert terms["received"] == terms["acknowledged"] + terms["refused"] + terms["rejected"]
        assert terms["acknowledged"] == terms["rolled_up"] + terms["duplicate"] + pending
        if terms["received"] >= received and not pending:
            return terms


async def test_logs_are_accepted_and_counted(telemetry: TelemetryMesh) -> None:
    response = await log_stub(telemetry).Export(logs(5))
    assert response == ExportLogsServiceResponse()
    assert not response.HasField("partial_success")
    assert (await counted(telemetry, "logs", received=5))["rolled_up"] == 5


async def test_metrics_are_counted_by_their_data_points(telemetry: TelemetryMesh) -> None:
    response = await metric_stub(telemetry).Export(metrics(*every_kind_of_metric()))
    assert response == ExportMetricsServiceResponse()
    assert not response.HasField("partial_success")
    assert (await counted(telemetry, "metrics", received=9))["rolled_up"] == 9


async def test_data_points_that_are_none_are_a_partial_success(telemetry: TelemetryMesh) -> None:
    broken = HistogramDataPoint(bucket_counts=[1, 2, 3], explicit_bounds=[5])
    request = metrics(Metric(histogram=Histogram(data_points=[broken, HistogramDataPoint()])))
    response = await metric_stub(telemetry).Export(request)
    assert response.partial_success.rejected_data_points == 1
    assert "one bucket more" in response.partial_success.error_message
    terms = await counted(telemetry, "metrics", received=2)
    assert (terms["rolled_up"], terms["rejected"]) == (1, 1)


async def test_signals_are_counted_apart(telemetry: TelemetryMesh) -> None:
    await telemetry.export([SpanSpec(1), SpanSpec(2)])
    await log_stub(telemetry).Export(logs(3))
    await metric_stub(telemetry).Export(metrics(*every_kind_of_metric()))
    found = [
        (await counted(telemetry, signal, received=items))["rolled_up"]
        for signal, items in (("traces", 2), ("logs", 3), ("metrics", 9))
    ]
    assert found == [2, 3, 9]


async def test_empty_requests_succeed(telemetry: TelemetryMesh) -> None:
    assert await log_stub(telemetry).Export(ExportLogsServiceRequest()) == ExportLogsServiceResponse()
    assert await metric_stub(telemetry).Export(metrics(Metric(name="none"))) == ExportMetricsServiceResponse()


async def test_what_was_counted_stays_counted_after_a_restart(tmp_path: Path) -> None:
    async with telemetry_mesh(tmp_path) as telemetry:
        await log_stub(telemetry).Export(logs(3))
        await metric_stub(telemetry).Export(metrics(*every_kind_of_metric()))
    async with telemetry_mesh(tmp_path) as again:
        assert (await counted(again, "logs", received=3))["rolled_up"] == 3
        assert (await counted(again, "metrics", received=9))["rolled_up"] == 9


@pytest.mark.parametrize(("path", "service"), [(LOGS, "logs"), (METRICS, "metrics")])
@pytest.mark.parametrize("payload", [b"\xff\xff\xff", b"\x0a\x05hello"], ids=["noise", "text"])
async def test_bytes_that_are_no_request(telemetry: TelemetryMesh, path: str, service: str, payload: bytes) -> None:
    refused = await refusal(raw_method(telemetry.channel(setting=telemetry.port), path)(messages([payload])))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE")
    assert (await counted(telemetry, service, received=0))["received"] == 0


@pytest.mark.parametrize("port", KINDS)
@pytest.mark.parametrize("signal", ["logs", "metrics"])
async def test_a_full_disk_is_said_in_both_trailers(tmp_path: Path, signal: str, port: str) -> None:
    config = quiet(ingest=IngestConfig(free_bytes=2**60))
    async with telemetry_mesh(tmp_path, config=config, port=port) as telemetry:
        refused = await refusal(send(telemetry, signal))
        assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "INGEST_OVERLOADED")
        assert refused.retry_after is not None
        trailer = refused.trailers["google.rpc.retryinfo-bin"]
        assert isinstance(trailer, bytes)
        assert RetryInfo.FromString(trailer).retry_delay.ToMilliseconds() == refused.retry_after
        terms = await counted(telemetry, signal, received=1)
        assert terms["refused"] == terms["received"]


@pytest.mark.parametrize("signal", ["logs", "metrics"])
@pytest.mark.parametrize("caller", [AGENT, GATEWAY, OPERATOR], ids=lambda caller: caller.principal)
async def test_who_may_report(telemetry: TelemetryMesh, signal: str, caller: Caller) -> None:
    await send(telemetry, signal, caller)


@pytest.mark.parametrize("signal", ["logs", "metrics"])
@pytest.mark.parametrize(
    ("caller", "code"),
    [(ANONYMOUS, "UNAUTHENTICATED"), (AUDITOR, "PERMISSION_DENIED")],
    ids=lambda value: getattr(value, "principal", value),
)
async def test_who_may_not(telemetry: TelemetryMesh, signal: str, caller: Caller, code: str) -> None:
    assert (await refusal(send(telemetry, signal, caller))).code == code


def send(telemetry: TelemetryMesh, signal: str, caller: Caller = OPERATOR) -> grpc.aio.UnaryUnaryCall[Message, Message]:
    """Send one log record, or a data point of each kind."""
    stub, request = (log_stub, logs(1)) if signal == "logs" else (metric_stub, metrics(*every_kind_of_metric()))
    call: grpc.aio.UnaryUnaryCall[Message, Message] = stub(telemetry, caller).Export(request)
    return call
