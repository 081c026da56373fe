"""`opentelemetry.proto.collector.trace.v1.TraceService` messages to values and back."""

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from ringfence_kit.callers import Caller
from ringfence_kit.errors import MalformedMessage

from ringfence_telemetry.ingest import Export
from ringfence_telemetry.otlp_shapes import ExportRequest
from ringfence_telemetry.reporters import reporter_of

METHOD = "opentelemetry.proto.collector.trace.v1.TraceService/Export"


def export(payload: bytes, *, caller: Caller) -> Export:
    """Return the request in `payload`, with its bytes as they came: they are what is kept."""
    try:
        request = parse(payload)
    except DecodeError:
        problem = "it is not an ExportTraceServiceRequest, or a text in it is not UTF-8"
        raise MalformedMessage(method=METHOD, problem=problem) from None
    return Export(payload=payload, request=request, reporter=reporter_of(caller))


def parse(payload: bytes) -> ExportRequest:
    """Return the message in `payload`. Raises DecodeError."""
    return ExportTraceServiceRequest.FromString(payload)


def export_response(rejected: int) -> ExportTraceServiceResponse:
    """Return the answer: a partial success is said only when something was rejected (OTLP)."""
    if not rejected:
        return ExportTraceServiceResponse()
    partial = ExportTracePartialSuccess(
        rejected_spans=rejected,
        error_message="spans were rejected: ids must be 16 and 8 bytes and not zero, and no span ends before it starts",
    )
    return ExportTraceServiceResponse(partial_success=partial)
