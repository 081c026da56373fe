"""What is remembered of spans changes nothing: each is read as if it were the first one ever."""

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from ringfence_telemetry.detail_reading import DetailReader
from ringfence_telemetry.dialects import ATTRIBUTES
from ringfence_telemetry.span_reading import Memory, SpanReader
from ringfence_telemetry.spans import SpanFact
from support.telemetry.spans import NOW, as_read

NAMES = st.sampled_from(
    [
        *("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.conversation.id", "gen_ai.operation.name"),
        *("gen_ai.agent.name", "http.route"),
    ]
) | st.sampled_from(sorted(ATTRIBUTES))
TEXTS = st.sampled_from(["chat", "invoke_agent", "execute_tool", "7", "-7", "", "x" * 300])
VALUES = st.builds(AnyValue, string_value=TEXTS) | st.builds(AnyValue, int_value=st.integers(-2, 3))
SPANS = st.builds(
    Span,
    trace_id=st.just(b"t" * 16),
    span_id=st.just(b"s" * 8),
    kind=st.sampled_from([0, 3]),
    start_time_unix_nano=st.just(NOW * 1_000_000),
    end_time_unix_nano=st.just(NOW * 1_000_000 + 5_000),
    attributes=st.lists(st.builds(KeyValue, key=NAMES, value=VALUES), max_size=6),
    status=st.builds(Status, code=st.sampled_from([0, 2])),
)


def read(memory: Memory, span: Span) -> tuple[SpanFact, int, dict[int, str]]:
    reader = SpanReader(memory, received_at=NOW)
    found = reader.read(as_read(span), reader.defaults())
    assert found is not None
    return found[1], reader.malformed_values, reader.revisions


@settings(max_examples=300)
@given(st.lists(SPANS, min_size=1, max_size=4))
def test_a_span_says_the_same_whatever_was_read_before(spans: list[Span]) -> None:
    memory = Memory(DetailReader(str))
    for span in [*spans, *spans]:
        assert read(memory, span) == read(Memory(DetailReader(str)), span)


@given(SPANS, st.permutations(range(6)))
def test_attributes_of_different_names_say_the_same_in_any_order(span: Span, order: list[int]) -> None:
    by_name = list({attribute.key: attribute for attribute in span.attributes}.values())
    moved, straight = Span(), Span()
    moved.CopyFrom(span)
    straight.CopyFrom(span)
    del moved.attributes[:]
    del straight.attributes[:]
    straight.attributes.extend(by_name)
    moved.attributes.extend(by_name[place] for place in order if place < len(by_name))
    memory = Memory(DetailReader(str))
    assert read(memory, moved) == read(memory, straight)
