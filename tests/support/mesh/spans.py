"""OTLP requests as an instrumented agent sends them."""

import os
import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

INPUT_TOKENS, OUTPUT_TOKENS = 1_200, 80


def one_trace(agent: str, *, session: str = "", calls: int = 2) -> ExportTraceServiceRequest:
    """Return a trace of an agent's run: one span around `calls` calls of a model."""
    trace_id, root_id, now = os.urandom(16), os.urandom(8), time.time_ns()
    around = [("gen_ai.operation.name", "invoke_agent"), ("gen_ai.agent.id", agent)]
    if session:
        around.append(("session.id", session))
    root = Span(
        trace_id=trace_id,
        span_id=root_id,
        name="invoke_agent",
        start_time_unix_nano=now,
        end_time_unix_nano=now + 500_000_000,
        attributes=[_text(key, value) for key, value in around],
    )
    chats = [
        Span(
            trace_id=trace_id,
            span_id=os.urandom(8),
            parent_span_id=root_id,
            name="chat example-model-1",
            start_time_unix_nano=now,
            end_time_unix_nano=now + 250_000_000,
            attributes=[
                _text("gen_ai.operation.name", "chat"),
                _text("gen_ai.request.model", "example-model-1"),
                _number("gen_ai.usage.input_tokens", INPUT_TOKENS),
                _number("gen_ai.usage.output_tokens", OUTPUT_TOKENS),
            ],
        )
        for _ in range(calls)
    ]
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[root, *chats])])])


def one_log() -> ExportLogsServiceRequest:
    """Return a record of a log."""
    record = LogRecord(time_unix_nano=time.time_ns(), body=AnyValue(string_value="it began"))
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])])])


def one_metric() -> ExportMetricsServiceRequest:
    """Return a point of a metric."""
    point = NumberDataPoint(time_unix_nano=time.time_ns(), as_int=1)
    metric = Metric(name="agent.runs", gauge=Gauge(data_points=[point]))
    scope = ScopeMetrics(metrics=[metric])
    return ExportMetricsServiceRequest(resource_metrics=[ResourceMetrics(scope_metrics=[scope])])


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _number(key: str, value: int) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(int_value=value))
