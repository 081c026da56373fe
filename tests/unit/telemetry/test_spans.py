"""Reading spans: every dialect into one vocabulary, and nothing a sender writes breaks the reading."""

import math

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from ringfence_kit.clock import MINUTE, Instant
from ringfence_telemetry.attribute_values import TIME_MAX_MICROS
from ringfence_telemetry.detail_reading import DetailReader
from ringfence_telemetry.dialects import NAMES, OPERATION_BY_SPAN_KIND, OPERATIONS, Field
from ringfence_telemetry.span_reading import Defaults, Memory, SpanReader
from ringfence_telemetry.spans import LABEL_MAX, SpanFact, ToolCall
from support.telemetry.spans import NOW, AttributeValue, SpanSpec, as_read, attribute_bytes_of, is_span, span_of

TOKEN_FIELDS = (
    Field.INPUT_TOKENS,
    Field.OUTPUT_TOKENS,
    Field.CACHE_READ_TOKENS,
    Field.CACHE_WRITE_TOKENS,
    Field.REASONING_TOKENS,
)


def read_by(reader: SpanReader, span: Span, scope: str = "", defaults: Defaults | None = None) -> SpanFact:
    found = reader.read(as_read(span), defaults or reader.defaults(), scope)
    assert found is not None
    return found[1]


def read(attributes: dict[str, AttributeValue], *, parent: int = 0, start_ms: int = NOW) -> SpanFact:
    spec = SpanSpec(7, parent, attributes, start_ms=start_ms)
    return read_by(SpanReader(Memory(DetailReader(str)), received_at=NOW), span_of(spec))


def test_a_span_in_the_words_of_opentelemetry() -> None:
    fact = read_by(
        SpanReader(Memory(DetailReader(str)), received_at=NOW),
        span_of(
            SpanSpec(
                7,
                parent=3,
                duration_ms=1_500,
                error=True,
                attributes={
                    "gen_ai.operation.name": "chat",
                    "gen_ai.agent.id": "did:web:a",
                    "gen_ai.agent.name": "planner",
                    "gen_ai.conversation.id": "c-1",
                    "gen_ai.request.model": "m",
                    "gen_ai.response.model": "m-2026",
                    "gen_ai.usage.input_tokens": 120,
                    "gen_ai.usage.output_tokens": 30,
                    "gen_ai.usage.cache_read.input_tokens": 100,
                    "gen_ai.usage.cache_write.input_tokens": 5,
                    "gen_ai.usage.reasoning.output_tokens": 20,
                },
            )
        ),
    )
    assert fact == SpanFact(
        span=7,
        parent=3,
        start=NOW * 1_000_000,
        minute=NOW // MINUTE,
        duration_micros=1_500_000,
        operation="chat",
        agent="did:web:a",
        session="c-1",
        model="m-2026",
        tokens=(120, 30, 100, 5, 20),
        is_error=True,
        tool_call=ToolCall.NONE,
        exclusive=False,
    )


def test_a_span_that_says_nothing_is_still_a_span() -> None:
    fact = read({"http.request.method": "GET"})
    assert (fact.operation, fact.agent, fact.session, fact.model) == ("", "", "", "")
    assert fact.tokens == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(("field", "name"), [(field, name) for field in TOKEN_FIELDS for name in NAMES[field]], ids=str)
def test_every_name_of_a_token_count_is_read(field: Field, name: str) -> None:
    large_input: dict[str, AttributeValue] = {"gen_ai.usage.input_tokens": 50}
    attributes: dict[str, AttributeValue] = {name: 9}
    fact = read(attributes if field is Field.INPUT_TOKENS else large_input | attributes)
    assert fact.tokens[TOKEN_FIELDS.index(field)] == 9


@pytest.mark.parametrize("name", NAMES[Field.SESSION])
def test_every_name_of_a_session_is_read(name: str) -> None:
    assert read({name: "s"}).session == "s"


def test_the_first_name_wins_wherever_it_stands() -> None:
    names = NAMES[Field.SESSION]
    for last in range(len(names)):
        present = names[last:]
        for order in (present, tuple(reversed(present))):
            assert read({name: name for name in order}).session == names[last]


def test_the_renamed_cache_count_does_not_count_twice() -> None:
    fact = read(
        {
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.cache_creation.input_tokens": 40,
            "gen_ai.usage.cache_write.input_tokens": 40,
        }
    )
    assert fact.tokens == (100, 0, 0, 40, 0)


def test_cached_tokens_reported_beside_the_input_are_added_to_it() -> None:
    # Anthropic's own numbers: input_tokens leaves the cached ones out.
    fact = read(
        {
            "gen_ai.usage.input_tokens": 4,
            "gen_ai.usage.cache_read_input_tokens": 1_000,
            "gen_ai.usage.cache_creation_input_tokens": 200,
            "gen_ai.usage.output_tokens": 8,
        }
    )
    assert fact.tokens == (1_204, 8, 1_000, 200, 0)


def test_a_lone_total_counts_and_a_divided_one_is_not_repeated() -> None:
    assert read({"llm.usage.total_tokens": 70}).tokens == (70, 0, 0, 0, 0)
    assert read({"llm.token_count.total": 70, "llm.token_count.prompt": 60}).tokens == (60, 0, 0, 0, 0)


@pytest.mark.parametrize(("value", "count"), [("120", 120), (" 120 ", 120), (120.0, 120), ("0", 0), (0, 0)])
def test_counts_spelled_otherwise_are_counts(value: AttributeValue, count: int) -> None:
    reader = SpanReader(Memory(DetailReader(str)), received_at=NOW)
    fact = read_by(reader, span_of(SpanSpec(1, attributes={"gen_ai.usage.input_tokens": value})))
    assert (fact.tokens[0], reader.malformed_values) == (count, 0)


@pytest.mark.parametrize(
    "value",
    [
        -1,
        -(2**63),
        2**63 - 1,
        10**9 + 1,
        "9" * 19,
        "9" * 400,
        "-5",
        "1e3",
        "\N{ARABIC-INDIC DIGIT SEVEN}",
        "many",
        "",
        1.5,
        math.nan,
        math.inf,
        -math.inf,
        1e300,
        True,
        b"120",
        None,
    ],
    ids=repr,
)
def test_a_count_that_is_none_is_absent_and_reported(value: AttributeValue) -> None:
    reader = SpanReader(Memory(DetailReader(str)), received_at=NOW)
    attributes: dict[str, AttributeValue] = {"gen_ai.usage.input_tokens": value, "gen_ai.usage.output_tokens": 5}
    fact = read_by(reader, span_of(SpanSpec(1, attributes=attributes)))
    assert fact.tokens == (0, 5, 0, 0, 0)
    assert reader.malformed_values == 1


def test_the_largest_believable_count_is_believed() -> None:
    assert read({"gen_ai.usage.input_tokens": 10**9}).tokens[0] == 10**9


@pytest.mark.parametrize(("kind", "operation"), OPERATION_BY_SPAN_KIND.items())
def test_span_kinds_of_other_dialects_become_operations(kind: str, operation: str) -> None:
    key = "openinference.span.kind" if kind.isupper() else "traceloop.span.kind"
    assert read({key: kind}).operation == operation


def test_steps_and_chains_are_not_agents() -> None:
    assert read({"openinference.span.kind": "CHAIN"}).operation != "invoke_agent"
    assert read({"traceloop.span.kind": "task"}).operation != "invoke_agent"


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_known_operations_are_kept(operation: str) -> None:
    assert read({"gen_ai.operation.name": operation}).operation == operation


def test_unknown_operations_share_one_name() -> None:
    assert read({"gen_ai.operation.name": "mine bitcoin"}).operation == "other"
    assert read({"openinference.span.kind": "WIZARD"}).operation == "other"


@pytest.mark.parametrize(
    ("attributes", "call"),
    [
        ({"gen_ai.operation.name": "execute_tool"}, ToolCall.TOOL),
        ({"openinference.span.kind": "TOOL"}, ToolCall.TOOL),
        ({"gen_ai.operation.name": "execute_tool", "mcp.method.name": "tools/call"}, ToolCall.MCP),
        ({"mcp.method.name": "tools/call"}, ToolCall.MCP),
        ({"mcp.method.name": "tools/list"}, ToolCall.NONE),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "(merged tools)"}, ToolCall.NONE),
        ({"gen_ai.operation.name": "chat"}, ToolCall.NONE),
    ],
)
def test_what_may_be_a_tool_call(attributes: dict[str, AttributeValue], call: ToolCall) -> None:
    assert read(attributes).tool_call is call


@pytest.mark.parametrize("value", [b"bytes", 1.5, True, None])
def test_labels_that_are_no_text_are_absent(value: AttributeValue) -> None:
    assert read({"gen_ai.agent.id": value, "session.id": value}).agent == ""


def test_an_integer_may_name_a_session() -> None:
    assert read({"gen_ai.conversation.id": 42}).session == "42"


def test_labels_are_cut_and_free_of_nul() -> None:
    assert read({"session.id": "s" * 10_000}).session == "s" * LABEL_MAX
    assert read({"gen_ai.agent.name": "a\x00b"}).agent == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("skew", [-10, 10])
def test_a_clock_ten_minutes_off_is_believed(skew: int) -> None:
    end = NOW + skew * MINUTE
    assert read({}, start_ms=end - 1).minute == end // MINUTE


@pytest.mark.parametrize("end", [1, NOW - 10 * MINUTE - 1, NOW + 10 * MINUTE + 1, 2**63 // 1_000_000])
def test_a_clock_further_off_gives_the_minute_of_receipt(end: int) -> None:
    assert read({}, start_ms=end - 1).minute == NOW // MINUTE


def test_the_last_nanosecond_of_64_bits_is_a_time_like_any() -> None:
    span = Span(trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=0, end_time_unix_nano=2**64 - 1)
    assert is_span(span)
    fact = read_by(SpanReader(Memory(DetailReader(str)), received_at=NOW), span)
    assert (fact.minute, fact.duration_micros) == (NOW // MINUTE, TIME_MAX_MICROS)


def test_a_resource_speaks_for_spans_that_say_nothing() -> None:
    reader = SpanReader(Memory(DetailReader(str)), received_at=NOW)
    defaults = reader.defaults(
        attribute_bytes_of({"gen_ai.agent.name": "fleet", "session.id": "s", "service.name": "x"})
    )
    assert read_by(reader, span_of(SpanSpec(1)), "scope", defaults).agent == "fleet"
    own = read_by(
        reader, span_of(SpanSpec(2, attributes={"gen_ai.agent.id": "own", "session.id": "t"})), "scope", defaults
    )
    assert (own.agent, own.session) == ("own", "t")
    assert reader.defaults(attribute_bytes_of({"service.name": "x"})) == reader.defaults()


def test_scopes_that_leave_children_out_are_marked() -> None:
    reader = SpanReader(Memory(DetailReader(str)), received_at=NOW, exclusive_scopes=frozenset({"odd.framework"}))
    assert read_by(reader, span_of(SpanSpec(1)), "odd.framework").exclusive
    assert not read_by(reader, span_of(SpanSpec(1)), "others").exclusive


def test_a_span_is_not_its_own_parent() -> None:
    assert read({}, parent=7).parent == 0


@pytest.mark.parametrize(
    "change",
    [
        {"trace_id": b""},
        {"trace_id": bytes(16)},
        {"trace_id": b"t" * 15},
        {"trace_id": b"t" * 17},
        {"span_id": b""},
        {"span_id": bytes(8)},
        {"span_id": b"s" * 16},
        {"parent_span_id": b"p"},
        {"end_time_unix_nano": 1},
    ],
    ids=repr,
)
def test_what_is_no_span(change: dict[str, bytes | int]) -> None:
    span, reader = span_of(SpanSpec(1)), SpanReader(Memory(DetailReader(str)), received_at=NOW)
    assert is_span(span)
    assert reader.read(as_read(span), reader.defaults()) is not None
    for name, value in change.items():
        setattr(span, name, value)
    assert not is_span(span)
    assert reader.read(as_read(span), reader.defaults()) is None


def test_received_at_an_instant_of_the_epoch() -> None:
    assert (
        read_by(
            SpanReader(Memory(DetailReader(str)), received_at=Instant(0)),
            span_of(SpanSpec(1, start_ms=0, duration_ms=0)),
        ).minute
        == 0
    )
