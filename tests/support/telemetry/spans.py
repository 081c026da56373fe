"""Builds OTLP requests and usage facts for tests: one call, one trace, in the words of the test."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from ringfence_kit.clock import Instant
from ringfence_telemetry.convert.span_messages import parse_spans
from ringfence_telemetry.otlp_shapes import OtlpSpan

AttributeValue: TypeAlias = str | int | float | bool | bytes | None
NOW = Instant(1_767_225_600_000)
"""2026-01-01T00:00:00Z, where `ManualClock` starts."""


def is_span(span: Span) -> bool:
    """Say whether ids and times are those of a span (W3C trace context; OTLP)."""
    return (
        len(span.trace_id) == 16
        and any(span.trace_id)
        and len(span.span_id) == 8
        and any(span.span_id)
        and len(span.parent_span_id) in (0, 8)
        and span.end_time_unix_nano >= span.start_time_unix_nano
    )


def as_read(span: Span) -> OtlpSpan:
    """Return a span as the service sees it."""
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])])
    return parse_spans(request.SerializeToString())[0].scope_spans[0].spans[0]


class SpanSpec(NamedTuple):
    """A span as a test writes it down."""

    name: int
    """Its id: 1 is `0000000000000001`."""
    parent: int = 0
    attributes: Mapping[str, AttributeValue] = {}
    trace: int = 1
    start_ms: int = NOW
    duration_ms: int = 1
    error: bool = False


def value_of(value: AttributeValue) -> AnyValue:
    """Return `value` as an OTLP attribute value; None is the empty value."""
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case _:
            return AnyValue(string_value=value)


def attributes_of(attributes: Mapping[str, AttributeValue]) -> list[KeyValue]:
    """Return attributes as OTLP key-value pairs."""
    return [KeyValue(key=key, value=value_of(value)) for key, value in attributes.items()]


def span_of(spec: SpanSpec) -> Span:
    """Return the OTLP span."""
    return Span(
        trace_id=spec.trace.to_bytes(16, "big"),
        span_id=spec.name.to_bytes(8, "big"),
        parent_span_id=spec.parent.to_bytes(8, "big") if spec.parent else b"",
        name=f"span {spec.name}",
        start_time_unix_nano=spec.start_ms * 1_000_000,
        end_time_unix_nano=(spec.start_ms + spec.duration_ms) * 1_000_000,
        attributes=attributes_of(spec.attributes),
        status=Status(code=Status.STATUS_CODE_ERROR if spec.error else Status.STATUS_CODE_UNSET),
    )


def request_of(
    specs: Sequence[SpanSpec], *, resource: Mapping[str, AttributeValue] | None = None, scope: str = "tests"
) -> ExportTraceServiceRequest:
    """Return one Export request with all `specs` under one resource and scope."""
    scope_spans = ScopeSpans(spans=[span_of(spec) for spec in specs])
    scope_spans.scope.name = scope
    resource_spans = ResourceSpans(scope_spans=[scope_spans])
    resource_spans.resource.attributes.extend(attributes_of(resource or {}))
    return ExportTraceServiceRequest(resource_spans=[resource_spans])


def attribute_bytes_of(attributes: Mapping[str, AttributeValue]) -> list[bytes]:
    """Return attributes as the service sees them."""
    return [attribute.SerializeToString() for attribute in attributes_of(attributes)]
