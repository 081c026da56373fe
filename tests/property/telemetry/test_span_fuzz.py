"""Whatever a sender puts into spans, they are read, counted and conserved: no content stops the counting.

A span that broke the roll-up would break it again after every restart, so this is a property and not a list of cases.
"""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from ringfence_telemetry.dialects import ATTRIBUTES, OPERATION_BY_SPAN_KIND, OPERATIONS
from ringfence_telemetry.reporters import Reporter
from support.backends import Backend
from support.telemetry.ingesting import ingesting
from support.telemetry.opened import opened_store
from support.telemetry.spans import is_span

TEXTS = st.text(max_size=6) | st.sampled_from(
    [
        *(
            "did:web:a",
            "namespaces/a/agents/b",
            "120",
            "-1",
            "9" * 30,
            "tools/call",
            "(merged tools)",
            "\x00",
            "x" * 400,
        ),
        *sorted(OPERATIONS),
        *sorted(OPERATION_BY_SPAN_KIND),
    ]
)
SCALARS = st.one_of(
    st.builds(AnyValue, string_value=TEXTS),
    st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
    st.builds(AnyValue, double_value=st.floats()),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, bytes_value=st.binary(max_size=3)),
    st.just(AnyValue()),
)
VALUES = SCALARS | st.builds(
    lambda items: AnyValue(
        array_value=ArrayValue(values=items), kvlist_value=KeyValueList(values=[KeyValue(key="k", value=items[0])])
    ),
    st.lists(SCALARS, min_size=1, max_size=2),
)
KEY_VALUES = st.builds(KeyValue, key=st.sampled_from(sorted(ATTRIBUTES)) | TEXTS, value=VALUES)
IDS = st.integers(0, 6).map(lambda number: number.to_bytes(8, "big")) | st.binary(max_size=9)
TIMES = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 1_767_225_600_000_000_000])
SPANS = st.builds(
    Span,
    trace_id=st.sampled_from([b"t" * 16, b"u" * 16, bytes(16), b""]),
    span_id=IDS,
    parent_span_id=IDS | st.just(b""),
    start_time_unix_nano=TIMES,
    end_time_unix_nano=TIMES,
    attributes=st.lists(KEY_VALUES, max_size=8),
    status=st.builds(Status, code=st.sampled_from([0, 1, 2])),
)
RESOURCES = st.builds(
    lambda attributes, spans: ResourceSpans(
        resource=Resource(attributes=attributes), scope_spans=[ScopeSpans(spans=spans), ScopeSpans()]
    ),
    st.lists(KEY_VALUES, max_size=3),
    st.lists(SPANS, max_size=8),
)
REQUESTS = st.builds(ExportTraceServiceRequest, resource_spans=st.lists(RESOURCES, max_size=3))
REPORTERS = st.sampled_from(
    [
        Reporter(principal="collector", speaks_for_all=True),
        Reporter(principal="did:web:a", agents=("did:web:a",)),
        Reporter(principal="gateway", agents=("did:web:a", "namespaces/a/agents/b")),
        Reporter(principal="nobody's"),
    ]
)


async def play(sent: list[tuple[ExportTraceServiceRequest, Reporter]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with opened_store(Backend(kind="memory")) as opened:
            async with ingesting(opened, Path(directory)) as at_work:
                for request, reporter in sent:
                    payload = request.SerializeToString()
                    rejected = await at_work.export(payload, reporter=reporter)
                    spans = [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
                    assert rejected == sum(not is_span(span) for span in spans)
                totals = await at_work.totals()
                at_work.assert_conserved()
                assert sum(counts.spans for counts in totals.values()) == at_work.counts.rolled_up
                assert all(count >= 0 for counts in totals.values() for count in counts)
            async with ingesting(opened, Path(directory)) as again:
                assert await again.totals() == totals
                again.assert_conserved()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(REQUESTS, REPORTERS), min_size=1, max_size=3))
def test_no_content_stops_the_counting(sent: list[tuple[ExportTraceServiceRequest, Reporter]]) -> None:
    asyncio.run(play(sent))
