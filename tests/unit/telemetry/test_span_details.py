"""What few spans say: read in every name senders use, exact where it is money, and of no cost to the other spans."""

import math

import msgspec
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from ringfence_telemetry.detail_reading import ATTEMPTS_MAX, ERROR_MAX, DetailReader, is_sampled
from ringfence_telemetry.dialects import CANCELLATIONS, NAMES, Field
from ringfence_telemetry.span_reading import Defaults, Memory, SpanReader
from ringfence_telemetry.spans import SpanDetail, SpanFact
from support.telemetry.spans import NOW, AttributeValue, SpanSpec, as_read, attribute_bytes_of, attributes_of, span_of

MILLIS = 1_000_000
TEXTS = {
    Field.TOOL: "tool",
    Field.TEAM: "team",
    Field.SKILL: "skill",
    Field.PROVIDER: "provider",
    Field.AGENT_VERSION: "version",
    Field.ERROR_TYPE: "error",
}


def read_span(span: Span) -> SpanFact:
    return read_by(SpanReader(Memory(DetailReader(lambda user: f"digest of {user}")), received_at=NOW), span)


def read_by(reader: SpanReader, span: Span, defaults: Defaults | None = None) -> SpanFact:
    found = reader.read(as_read(span), defaults or reader.defaults())
    assert found is not None
    return found[1]


def detail_of(attributes: dict[str, AttributeValue], *, error: bool = False) -> SpanDetail | None:
    return read_span(span_of(SpanSpec(7, 3, attributes, error=error))).detail


def test_an_ordinary_span_has_no_detail() -> None:
    assert (
        detail_of({"gen_ai.operation.name": "chat", "gen_ai.agent.name": "a", "gen_ai.usage.input_tokens": 3}) is None
    )
    assert detail_of({"http.response.status_code": 200, "rpc.grpc.status_code": 0}) is None


@pytest.mark.parametrize(("field", "name"), [(field, name) for field in TEXTS for name in NAMES[field]], ids=str)
def test_every_name_of_a_text_is_read(field: Field, name: str) -> None:
    operation = "execute_tool" if field is Field.TOOL else "chat"
    detail = detail_of({"gen_ai.operation.name": operation, name: "said"})
    assert detail == msgspec.structs.replace(SpanDetail(), **{TEXTS[field]: "said"})


@pytest.mark.parametrize("name", NAMES[Field.USER])
def test_a_person_is_a_digest(name: str) -> None:
    assert detail_of({name: "ada"}) == SpanDetail(principal="digest of ada")


def test_openllmetry_names_a_tool_and_an_agent_by_their_entity() -> None:
    tool = read_span(span_of(SpanSpec(1, 0, {"traceloop.span.kind": "tool", "traceloop.entity.name": "search"})))
    assert (tool.operation, tool.agent, tool.detail) == ("execute_tool", "", SpanDetail(tool="search"))
    agent = read_span(span_of(SpanSpec(1, 0, {"traceloop.span.kind": "agent", "traceloop.entity.name": "planner"})))
    assert (agent.operation, agent.agent, agent.detail) == ("invoke_agent", "planner", None)
    task = read_span(span_of(SpanSpec(1, 0, {"traceloop.span.kind": "task", "traceloop.entity.name": "step"})))
    assert (task.operation, task.agent, task.detail) == ("task", "", None)


@pytest.mark.parametrize(
    ("attributes", "nanos", "currency"),
    [
        ({"gen_ai.usage.cost.amount": "0.000000001", "gen_ai.usage.cost.currency": "eur"}, 1, "EUR"),
        ({"gen_ai.usage.cost.amount": 0.1}, 100_000_000, "USD"),
        ({"gen_ai.usage.cost": 3}, 3_000_000_000, "USD"),
        ({"operation.cost": 0.01039005}, 10_390_050, "USD"),
        ({"llm.cost.total": "12.5"}, 12_500_000_000, "USD"),
        ({"llm.cost.total": 0.0}, 0, "USD"),
        ({"llm.cost.total": 1.5e-05}, 15_000, "USD"),
        ({"llm.cost.total": 10_000}, 10_000 * 10**9, "USD"),
        ({"gen_ai.usage.cost.amount": 1, "llm.cost.total": 9}, 10**9, "USD"),
    ],
)
def test_a_stated_cost_is_exact(attributes: dict[str, AttributeValue], nanos: int, currency: str) -> None:
    assert detail_of(attributes) == SpanDetail(stated_cost_nanos=nanos, stated_currency=currency)


@pytest.mark.parametrize(
    "value",
    [
        -0.1,
        -1,
        10_001,
        1e300,
        math.nan,
        math.inf,
        True,
        b"1",
        None,
        "",
        "one",
        "1e3",
        "1.2.3",
        "-1",
        "9" * 50,
        "٣",
        ".",
    ],
    ids=repr,
)
def test_a_cost_that_is_none_is_absent_and_reported(value: AttributeValue) -> None:
    reader = SpanReader(Memory(DetailReader(str)), received_at=NOW)
    for _ in range(2):
        assert read_by(reader, span_of(SpanSpec(1, attributes={"llm.cost.total": value}))).detail is None
    assert reader.malformed_values == 2


@pytest.mark.parametrize("currency", ["US", "DOLLAR", "$$$", "ÄÖÜ"])
def test_a_cost_in_no_currency_is_absent(currency: str) -> None:
    reader = SpanReader(Memory(DetailReader(str)), received_at=NOW)
    attributes: dict[str, AttributeValue] = {"gen_ai.usage.cost.amount": 1, "gen_ai.usage.cost.currency": currency}
    assert read_by(reader, span_of(SpanSpec(1, attributes=attributes))).detail is None
    assert reader.malformed_values == 1


def test_what_failed_says_why() -> None:
    span = span_of(SpanSpec(1, error=True))
    span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="m" * 1_000))
    assert read_span(span).detail == SpanDetail(error="m" * ERROR_MAX)
    span.attributes.extend(attributes_of({"error.type": "timeout"}))
    assert read_span(span).detail == SpanDetail(error="timeout")
    assert read_span(span_of(SpanSpec(1, error=True))).detail is None


@pytest.mark.parametrize("error", sorted(CANCELLATIONS))
def test_who_gave_up_is_no_failure_of_the_agent(error: str) -> None:
    assert detail_of({"error.type": error}) == SpanDetail(error=error, cancelled=True)


@pytest.mark.parametrize(
    "attributes",
    [
        {"rpc.grpc.status_code": 1},
        {"rpc.response.status_code": "CANCELLED"},
        {"http.response.status_code": 499},
        {"a2a.task.state": "TASK_STATE_CANCELED"},
        {"a2a.task.state": "canceled"},
    ],
    ids=str,
)
def test_a_call_may_be_cancelled_in_other_words(attributes: dict[str, AttributeValue]) -> None:
    assert detail_of(attributes) == SpanDetail(cancelled=True)


@pytest.mark.parametrize(("value", "attempt"), [(2, 2), ("2", 2), (0, 0), (10**6, ATTEMPTS_MAX)])
@pytest.mark.parametrize("name", NAMES[Field.ATTEMPT])
def test_attempts_before(name: str, value: AttributeValue, attempt: int) -> None:
    assert (detail_of({name: value}) or SpanDetail()).attempt == attempt


@pytest.mark.parametrize(
    ("tracestate", "sampled"),
    [
        ("", False),
        ("vendor=th:8", False),
        ("ot=rv:abcdef01234567", False),
        ("ot=th:0", False),
        ("ot=th:8", True),
        ("a=b, ot=rv:1;th:fd70a4 ,c=d", True),
        ("ot=p:0;r:3", False),
        ("ot=p:4", True),
        ("ot=th:what", True),
        ("ot", False),
        ("ot=", False),
    ],
)
def test_head_sampling_is_read_off_the_tracestate(tracestate: str, sampled: bool) -> None:
    assert is_sampled(tracestate) is sampled
    span = span_of(SpanSpec(1))
    span.trace_state = tracestate
    assert read_span(span).detail == (SpanDetail(sampled=True) if sampled else None)


def test_the_side_of_a_call_is_asked_of_agents() -> None:
    for operation, detail in (("invoke_agent", SpanDetail(client=True)), ("chat", None)):
        span = span_of(SpanSpec(1, attributes={"gen_ai.operation.name": operation}))
        span.kind = Span.SPAN_KIND_CLIENT
        assert read_span(span).detail == detail


def test_a_resource_speaks_for_spans_that_say_nothing() -> None:
    reader = SpanReader(Memory(DetailReader(str)), received_at=NOW)
    defaults = reader.defaults(attribute_bytes_of({"team.id": "blue", "gen_ai.agent.version": "3"}))
    assert read_by(reader, span_of(SpanSpec(1)), defaults).detail == SpanDetail(team="blue", version="3")
    own = span_of(SpanSpec(1, attributes={"ringfence.team": "red", "ringfence.skill": "count"}))
    assert read_by(reader, own, defaults).detail == SpanDetail(team="red", version="3", skill="count")


def streamed(*events: tuple[int, str, str], duration_ms: int = 10_000) -> Span:
    """Return a span with events: milliseconds after its start, name, and task state."""
    span = span_of(SpanSpec(1, duration_ms=duration_ms))
    for after_ms, name, state in events:
        event = span.events.add(time_unix_nano=span.start_time_unix_nano + after_ms * MILLIS, name=name)
        if state:
            event.attributes.extend(attributes_of({"a2a.task.state": state}))
    return span


@pytest.mark.parametrize(
    ("attributes", "micros"),
    [
        ({"gen_ai.response.time_to_first_chunk": 0.25}, 250_000),
        ({"gen_ai.response.time_to_first_chunk": "0.25"}, 250_000),
        ({"ai.response.msToFirstChunk": 250}, 250_000),
        ({"ai.response.msToFirstChunk": 0.5}, 500),
        ({"gen_ai.response.time_to_first_chunk": 10**12}, 24 * 3_600 * 10**6),
    ],
)
def test_the_first_chunk_of_a_stream(attributes: dict[str, AttributeValue], micros: int) -> None:
    assert detail_of(attributes) == SpanDetail(first_chunk_micros=micros)


@pytest.mark.parametrize("value", [-1, math.nan, "soon", True])
def test_a_time_that_is_none_is_absent_and_reported(value: AttributeValue) -> None:
    reader = SpanReader(Memory(DetailReader(str)), received_at=NOW)
    span = span_of(SpanSpec(1, attributes={"gen_ai.response.time_to_first_chunk": value}))
    assert read_by(reader, span).detail is None
    assert reader.malformed_values == 1


def test_events_tell_the_first_chunk() -> None:
    span = streamed((400, "ai.stream.firstChunk", ""), (900, "ai.stream.firstChunk", ""))
    assert read_span(span).detail == SpanDetail(first_chunk_micros=400_000)


def test_time_in_which_a_person_was_waited_for() -> None:
    span = streamed(
        (7_000, "task", "TASK_STATE_INPUT_REQUIRED"),
        (1_000, "task", "input-required"),
        (3_000, "task", "working"),
        (3_500, "other", ""),
    )
    assert read_span(span).detail == SpanDetail(waited_micros=5_000_000)
    assert detail_of({"ringfence.human_wait_ms": 1_500}) == SpanDetail(waited_micros=1_500_000)


def test_nobody_waits_longer_than_the_span() -> None:
    span = streamed((-50_000, "task", "input-required"), (99_000, "task", "working"))
    assert read_span(span).detail == SpanDetail(waited_micros=10_000_000)


def test_what_was_read_once_is_the_same_again() -> None:
    reader = SpanReader(Memory(DetailReader(str)), received_at=NOW)
    first, again = (
        read_by(reader, span_of(SpanSpec(name, attributes={"gen_ai.provider.name": "example"}))).detail
        for name in (1, 2)
    )
    assert first is again
    assert read_by(reader, span_of(SpanSpec(3, attributes={"ringfence.team": 1.0}))).detail == SpanDetail(team="1")
    assert read_by(reader, span_of(SpanSpec(4, attributes={"ringfence.team": 1}))).detail == SpanDetail(team="1")
    assert read_by(reader, span_of(SpanSpec(5, attributes={"ringfence.team": True}))).detail is None
