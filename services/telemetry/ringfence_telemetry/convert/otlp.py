"""Messages of the three OTLP services to values and back."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from ringfence_kit.callers import Caller
from ringfence_kit.errors import MalformedMessage

from ringfence_telemetry.convert.span_messages import parse_spans
from ringfence_telemetry.evaluation.said import ATTRIBUTES as EVALUATION_ATTRIBUTES
from ringfence_telemetry.evaluation.said import EVENT_NAME
from ringfence_telemetry.ingest import Export
from ringfence_telemetry.otlp_shapes import LogEvent, Parsed
from ringfence_telemetry.otlp_signal import OtlpSignal
from ringfence_telemetry.reporters import reporter_of

SERVICES: Mapping[OtlpSignal, str] = {
    OtlpSignal.SPANS: "opentelemetry.proto.collector.trace.v1.TraceService",
    OtlpSignal.LOGS: "opentelemetry.proto.collector.logs.v1.LogsService",
    OtlpSignal.METRICS: "opentelemetry.proto.collector.metrics.v1.MetricsService",
}

ExportResponse: TypeAlias = ExportTraceServiceResponse | ExportLogsServiceResponse | ExportMetricsServiceResponse

_OLD_EVENT_NAME = "event.name"
"""The attribute that named an event before log records had a field for it."""


def export(payload: bytes, *, signal: OtlpSignal, caller: Caller) -> Export:
    """Return the request in `payload`, with its bytes as they came: they are what is kept."""
    try:
        if signal is OtlpSignal.SPANS:
            ExportTraceServiceRequest.FromString(payload)  # decides whether it is one
        parsed = parse(signal, payload)
    except DecodeError:
        problem = "it is not an OTLP request of this service, or a text in it is not UTF-8"
        raise MalformedMessage(method=f"{SERVICES[signal]}/Export", problem=problem) from None
    return Export(signal=signal, payload=payload, parsed=parsed, reporter=reporter_of(caller))


def parse(signal: OtlpSignal, payload: bytes) -> Parsed:
    """Return what is looked at of the message in `payload`. Raises DecodeError."""
    return _PARSERS[signal](payload)


def _parse_spans(payload: bytes) -> Parsed:
    found = parse_spans(payload)
    return Parsed(sum(len(scope.spans) for resource in found for scope in resource.scope_spans), spans=found)


def _parse_logs(payload: bytes) -> Parsed:
    request = ExportLogsServiceRequest.FromString(payload)
    scopes = [scope for resource in request.resource_logs for scope in resource.scope_logs]
    events: Sequence[LogEvent] = ()
    if EVENT_NAME.encode() in payload:  # hardly ever
        events = [_event(record) for scope in scopes for record in scope.log_records if _is_evaluation(record)]
    return Parsed(sum(len(scope.log_records) for scope in scopes), events=events)


def _is_evaluation(record: LogRecord) -> bool:
    return record.event_name == EVENT_NAME or any(
        attribute.key == _OLD_EVENT_NAME and attribute.value.string_value == EVENT_NAME
        for attribute in record.attributes
    )


def _event(record: LogRecord) -> LogEvent:
    attributes: dict[str, str | float | bool] = {}
    for attribute in record.attributes:
        if attribute.key in EVALUATION_ATTRIBUTES:
            match attribute.value.WhichOneof("value"):
                case "string_value":
                    attributes[attribute.key] = attribute.value.string_value
                case "int_value":
                    attributes[attribute.key] = attribute.value.int_value
                case "double_value":
                    attributes[attribute.key] = attribute.value.double_value
                case "bool_value":
                    attributes[attribute.key] = attribute.value.bool_value
                case _:
                    pass
    at = record.time_unix_nano or record.observed_time_unix_nano
    return LogEvent(attributes, record.trace_id, record.span_id, at)


def _parse_metrics(payload: bytes) -> Parsed:
    request = ExportMetricsServiceRequest.FromString(payload)
    points = rejected = 0
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                count, broken = _count(metric)
                points += count
                rejected += broken
    return Parsed(points, rejected=rejected)


def _count(metric: Metric) -> tuple[int, int]:
    """Return how many data points a metric has, and how many of them are none."""
    match metric.WhichOneof("data"):
        case "gauge":
            return len(metric.gauge.data_points), 0
        case "sum":
            return len(metric.sum.data_points), 0
        case "histogram":
            points = metric.histogram.data_points
            broken = sum(bool(p.bucket_counts) and len(p.bucket_counts) != len(p.explicit_bounds) + 1 for p in points)
            return len(points), broken
        case "exponential_histogram":
            return len(metric.exponential_histogram.data_points), 0
        case "summary":
            return len(metric.summary.data_points), 0
        case _:
            return 0, 0


_PARSERS: Mapping[OtlpSignal, Callable[[bytes], Parsed]] = {
    OtlpSignal.SPANS: _parse_spans,
    OtlpSignal.LOGS: _parse_logs,
    OtlpSignal.METRICS: _parse_metrics,
}


def export_response(signal: OtlpSignal, rejected: int) -> ExportResponse:
    """Return the answer: a partial success is said only when something was rejected (OTLP)."""
    match signal:
        case OtlpSignal.SPANS:
            return ExportTraceServiceResponse(partial_success=_spans_rejected(rejected) if rejected else None)
        case OtlpSignal.LOGS:
            logs = ExportLogsPartialSuccess(rejected_log_records=rejected) if rejected else None
            return ExportLogsServiceResponse(partial_success=logs)
        case OtlpSignal.METRICS:
            return ExportMetricsServiceResponse(partial_success=_points_rejected(rejected) if rejected else None)


def rejected_items(signal: OtlpSignal, answer: bytes) -> int:
    """Return how many items a server says it rejected; none where its answer is none."""
    try:
        match signal:
            case OtlpSignal.SPANS:
                return ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans
            case OtlpSignal.LOGS:
                return ExportLogsServiceResponse.FromString(answer).partial_success.rejected_log_records
            case OtlpSignal.METRICS:
                return ExportMetricsServiceResponse.FromString(answer).partial_success.rejected_data_points
    except DecodeError:
        return 0


def _spans_rejected(count: int) -> ExportTracePartialSuccess:
    return ExportTracePartialSuccess(
        rejected_spans=count,
        error_message="spans were rejected: ids must be 16 and 8 bytes and not zero, and no span ends before it starts",
    )


def _points_rejected(count: int) -> ExportMetricsPartialSuccess:
    return ExportMetricsPartialSuccess(
        rejected_data_points=count,
        error_message="data points were rejected: a histogram has one bucket more than it has bounds",
    )
