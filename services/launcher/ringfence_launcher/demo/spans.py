"""One conversation as OpenTelemetry spans: a wrapper that repeats what its children used, a model call, a tool call."""

import os

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

INPUT_TOKENS, OUTPUT_TOKENS = 1_200, 80
"""What the model call used."""

_SECOND = 1_000_000_000


def conversation(did: str, *, at_nanos: int) -> ExportTraceServiceRequest:
    """Return the spans of one conversation of the agent `did`."""
    trace, wrapper = os.urandom(16), os.urandom(8)
    agent: dict[str, str | int] = {"gen_ai.agent.id": did, "session.id": "demo-session"}
    used: dict[str, str | int] = {
        "gen_ai.usage.input_tokens": INPUT_TOKENS,
        "gen_ai.usage.output_tokens": OUTPUT_TOKENS,
    }
    spans = [
        # The wrapper repeats its child's tokens, as most frameworks do; they must be counted once.
        Span(
            trace_id=trace,
            span_id=wrapper,
            name="invoke_agent",
            start_time_unix_nano=at_nanos,
            end_time_unix_nano=at_nanos + 3 * _SECOND,
            attributes=_attributes("invoke_agent", agent | used),
        ),
        Span(
            trace_id=trace,
            span_id=os.urandom(8),
            parent_span_id=wrapper,
            name="chat example-model-1",
            start_time_unix_nano=at_nanos,
            end_time_unix_nano=at_nanos + 2 * _SECOND,
            attributes=_attributes("chat", agent | used | {"gen_ai.request.model": "example-model-1"}),
        ),
        Span(
            trace_id=trace,
            span_id=os.urandom(8),
            parent_span_id=wrapper,
            name="execute_tool warehouse.query",
            start_time_unix_nano=at_nanos + 2 * _SECOND,
            end_time_unix_nano=at_nanos + 3 * _SECOND,
            attributes=_attributes("execute_tool", agent | {"gen_ai.tool.name": "warehouse.query"}),
        ),
    ]
    scope = ScopeSpans(scope=InstrumentationScope(name="ringfence.demo"), spans=spans)
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[scope])])


def _attributes(operation: str, values: dict[str, str | int]) -> list[KeyValue]:
    return [_attribute(key, value) for key, value in {"gen_ai.operation.name": operation, **values}.items()]


def _attribute(key: str, value: str | int) -> KeyValue:
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    return KeyValue(key=key, value=AnyValue(string_value=value))
