"""What OTLP says in JSON is what it says in bytes, for every signal; and no JSON does anything else than be refused."""

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from ringfence_kit.errors import MalformedMessage
from ringfence_telemetry.convert.otlp_json import request_bytes
from ringfence_telemetry.otlp_signal import OtlpSignal
from support.telemetry.otlp_json import otlp_json_of

REQUESTS: Mapping[OtlpSignal, type[Message]] = {
    OtlpSignal.SPANS: ExportTraceServiceRequest,
    OtlpSignal.LOGS: ExportLogsServiceRequest,
    OtlpSignal.METRICS: ExportMetricsServiceRequest,
}
EVERY_SIGNAL = pytest.mark.parametrize("signal", OtlpSignal, ids=lambda signal: signal.label)

DEPTH = 9
"""Data points stand five deep in a request: their attributes, and lists in those."""

ITEMS_DEPTH = 6
"""Spans, log records and metrics stand here; the ways to them are always there."""

SCALARS: Mapping[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: st.text(max_size=5),
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=16),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_DOUBLE: st.floats(allow_nan=False) | st.just(math.nan),  # JSON has one, without a sign
    FieldDescriptor.TYPE_FIXED64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.TYPE_SFIXED64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_FIXED32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: st.integers(-(2**31), 2**31 - 1),
}


def value_of(draw: st.DrawFn, field: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_ENUM:
        return draw(st.sampled_from([value.number for value in field.enum_type.values]))
    return draw(SCALARS[field.type])


def fill(draw: st.DrawFn, message: Message, depth: int) -> None:
    """Set some fields of a message."""
    for field in message.DESCRIPTOR.fields:
        is_message = field.type == FieldDescriptor.TYPE_MESSAGE
        if is_message and depth == 0:
            continue
        always = is_message and depth > ITEMS_DEPTH
        if not always and not draw(st.booleans()):
            continue
        place = getattr(message, field.name)
        if is_message and field.is_repeated:
            for _ in range(draw(st.integers(1, 2))):
                fill(draw, place.add(), depth - 1)
        elif is_message:
            place.SetInParent()
            fill(draw, place, depth - 1)
        elif field.is_repeated:
            place.extend(value_of(draw, field) for _ in range(draw(st.integers(0, 2))))
        else:
            setattr(message, field.name, value_of(draw, field))


@st.composite
def requests(draw: st.DrawFn, signal: OtlpSignal) -> Message:
    """Return any request of a signal."""
    request = REQUESTS[signal]()
    fill(draw, request, DEPTH)
    return request


@EVERY_SIGNAL
@given(data=st.data())
def test_every_request_is_the_same_in_json(signal: OtlpSignal, data: st.DataObject) -> None:
    request = data.draw(requests(signal))
    read = request_bytes(otlp_json_of(request), signal)
    # Compared as bytes: NaN is unlike itself.
    assert REQUESTS[signal].FromString(read).SerializeToString(deterministic=True) == request.SerializeToString(
        deterministic=True
    )


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("resourceSpans", "scopeSpans", "spans", "traceId", "spanId", "attributes", "key", "value", "kind", "x")
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def is_refused(body: bytes, signal: OtlpSignal) -> bool:
    """Say whether a body is refused, as one that is no request; what is not refused is one."""
    try:
        read = request_bytes(body, signal)
    except MalformedMessage as refused:
        return refused.metadata["problem"].startswith("it is no ")
    REQUESTS[signal].FromString(read)
    return False


@EVERY_SIGNAL
@given(said=ANY_JSON)
def test_any_json_is_a_request_or_is_refused(signal: OtlpSignal, said: Any) -> None:
    body = json.dumps(said).encode()
    assert is_refused(body, signal) or isinstance(said, dict)


@EVERY_SIGNAL
@given(body=st.binary(max_size=40))
def test_any_bytes_are_a_request_or_are_refused(signal: OtlpSignal, body: bytes) -> None:
    assert is_refused(body, signal) or body.lstrip().startswith(b"{")
