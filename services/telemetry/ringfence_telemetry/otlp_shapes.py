"""The shapes of OTLP messages as far as they are read here, so that the core imports no generated code.

opentelemetry-proto's messages have these shapes; so have the plain values of a test.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol


class AnyValue(Protocol):
    """What is used of opentelemetry.proto.common.v1.AnyValue."""

    @property
    def string_value(self) -> str:
        """Text."""
        ...

    @property
    def int_value(self) -> int:
        """An integer."""
        ...

    @property
    def bool_value(self) -> bool:
        """A truth value."""
        ...

    @property
    def double_value(self) -> float:
        """A float, finite or not."""
        ...

    @property
    def bytes_value(self) -> bytes:
        """Bytes."""
        ...

    def WhichOneof(self, oneof_group: Literal["value"], /) -> str | None:  # noqa: N802 - protobuf's name
        """Which of the values is set."""
        ...


class KeyValue(Protocol):
    """What is used of opentelemetry.proto.common.v1.KeyValue."""

    @property
    def key(self) -> str:
        """The attribute's name."""
        ...

    @property
    def value(self) -> AnyValue:
        """Its value."""
        ...


class SpanStatus(Protocol):
    """What is used of opentelemetry.proto.trace.v1.Status."""

    @property
    def code(self) -> int:
        """0 unset, 1 ok, 2 error."""
        ...

    @property
    def message(self) -> str:
        """What went wrong."""
        ...


class SpanEvent(Protocol):
    """What is used of opentelemetry.proto.trace.v1.Span.Event."""

    @property
    def time_unix_nano(self) -> int:
        """When it happened."""
        ...

    @property
    def name(self) -> str:
        """What happened."""
        ...

    @property
    def attributes(self) -> Iterable[KeyValue]:
        """What the sender says about it."""
        ...


class OtlpSpan(Protocol):
    """What is used of opentelemetry.proto.trace.v1.Span."""

    @property
    def trace_id(self) -> bytes:
        """16 bytes."""
        ...

    @property
    def span_id(self) -> bytes:
        """8 bytes."""
        ...

    @property
    def parent_span_id(self) -> bytes:
        """8 bytes, or none."""
        ...

    @property
    def start_time_unix_nano(self) -> int:
        """When it started."""
        ...

    @property
    def end_time_unix_nano(self) -> int:
        """When it ended."""
        ...

    @property
    def attributes(self) -> Iterable[KeyValue]:
        """What the sender says about it."""
        ...

    @property
    def kind(self) -> int:
        """3 for the caller's side of a call."""
        ...

    @property
    def trace_state(self) -> str:
        """What tracing systems hand on: W3C tracestate."""
        ...

    @property
    def events(self) -> Sequence[SpanEvent]:
        """What happened meanwhile."""
        ...

    @property
    def status(self) -> SpanStatus:
        """How it ended."""
        ...


class Scope(Protocol):
    """What is used of opentelemetry.proto.common.v1.InstrumentationScope."""

    @property
    def name(self) -> str:
        """The library that made the spans."""
        ...


class ScopeSpans(Protocol):
    """What is used of opentelemetry.proto.trace.v1.ScopeSpans."""

    @property
    def scope(self) -> Scope:
        """Who made the spans."""
        ...

    @property
    def spans(self) -> Sequence[OtlpSpan]:
        """The spans."""
        ...


class Resource(Protocol):
    """What is used of opentelemetry.proto.resource.v1.Resource."""

    @property
    def attributes(self) -> Iterable[KeyValue]:
        """What holds for all its spans."""
        ...


class ResourceSpans(Protocol):
    """What is used of opentelemetry.proto.trace.v1.ResourceSpans."""

    @property
    def resource(self) -> Resource:
        """Where the spans were made."""
        ...

    @property
    def scope_spans(self) -> Sequence[ScopeSpans]:
        """The spans, by who made them."""
        ...


class ExportRequest(Protocol):
    """What is used of opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest."""

    @property
    def resource_spans(self) -> Sequence[ResourceSpans]:
        """The spans, by where they were made."""
        ...
