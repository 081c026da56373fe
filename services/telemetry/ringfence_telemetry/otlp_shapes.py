"""The shapes of OTLP messages as far as they are read here, so that the core imports no generated code.

`convert.span_messages` makes messages of these shapes out of a request's bytes; attributes, events and status stay
bytes in them until somebody asks what they say.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol


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
    def trace_state(self) -> bytes:
        """What tracing systems hand on: W3C tracestate."""
        ...

    @property
    def parent_span_id(self) -> bytes:
        """8 bytes, or none."""
        ...

    @property
    def kind(self) -> int:
        """3 for the caller's side of a call."""
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
    def attributes(self) -> Sequence[bytes]:
        """What the sender says about it: a KeyValue each."""
        ...

    @property
    def events(self) -> "Sequence[SpanEvent]":
        """What happened meanwhile."""
        ...

    @property
    def status(self) -> bytes:
        """How it ended: a Status; empty when that is not said."""
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
    def attributes(self) -> Iterable[bytes]:
        """What the sender says about it."""
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
    def attributes(self) -> Sequence[bytes]:
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


class LogEvent(NamedTuple):
    """A log record that says how an evaluation ended."""

    attributes: Mapping[str, str | float | bool]
    trace_id: bytes
    span_id: bytes
    time_unix_nano: int


class Parsed(NamedTuple):
    """A request, as far as it is looked at."""

    items: int
    """Spans, log records or data points in it."""
    spans: Sequence[ResourceSpans] = ()
    events: Sequence[LogEvent] = ()
    rejected: int = 0
    """Items that are none, of those that are not spans: which spans are none, their reading finds."""
