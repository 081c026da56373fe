"""OTLP requests as an instrumented agent sends them."""

import os
import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
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


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _number(key: str, value: int) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(int_value=value))
