"""A request is as large as what it unfolds to: parts are counted as a parser would make them, before it does."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence_telemetry.errors import TooManyParts
from ringfence_telemetry.otlp_parts import FIELDS_MAX, ITEMS_MAX, check_parts
from ringfence_telemetry.otlp_signal import OtlpSignal
from support.telemetry.spans import SpanSpec, request_of
from support.telemetry.wire_parts import SPAN_IDS, part, request, varint

SPANS, LOGS, METRICS = OtlpSignal.SPANS, OtlpSignal.LOGS, OtlpSignal.METRICS
NOTHING = b""
Built = Callable[[int], bytes]


def nested(*numbers: int) -> Built:
    """Return what builds so many empty parts at the end of a path of fields."""

    def build(count: int) -> bytes:
        content = part(numbers[-1]) * count
        for number in reversed(numbers[:-1]):
            content = part(number, content)
        return content

    return build


def check(payload: bytes, signal: OtlpSignal = SPANS, *, items: int = 100, fields: int = 1_000) -> str:
    """Return what there is too much of, if anything."""
    try:
        asyncio.run(check_parts(payload, signal, items_max=items, fields_max=fields))
    except TooManyParts as refused:
        return refused.metadata["what"]
    return ""


ITEMS = {
    "resources": (SPANS, nested(1)),
    "scopes": (SPANS, nested(1, 2)),
    "spans": (SPANS, nested(1, 2, 2)),
    "log records": (LOGS, nested(1, 2, 2)),
    "metrics": (METRICS, nested(1, 2, 2)),
    "gauges": (METRICS, nested(1, 2, 2, 5, 1)),
    "sums": (METRICS, nested(1, 2, 2, 7, 1)),
    "histograms": (METRICS, nested(1, 2, 2, 9, 1)),
    "exponential histograms": (METRICS, nested(1, 2, 2, 10, 1)),
    "summaries": (METRICS, nested(1, 2, 2, 11, 1)),
}


@pytest.mark.parametrize(("signal", "build"), ITEMS.values(), ids=ITEMS)
def test_items_are_counted(signal: OtlpSignal, build: Built) -> None:
    assert check(build(2_000), signal) == "items"
    assert check(build(80), signal) == ""


FIELDS = {
    "attributes of a resource": (SPANS, nested(1, 1, 1)),
    "attributes of a scope": (SPANS, nested(1, 2, 1, 3)),
    "entities": (SPANS, nested(1, 1, 3)),
    "keys of an entity": (SPANS, nested(1, 1, 3, 3)),
    "attributes": (SPANS, nested(1, 2, 2, 9)),
    "events": (SPANS, nested(1, 2, 2, 11)),
    "attributes of an event": (SPANS, nested(1, 2, 2, 11, 3)),
    "links": (SPANS, nested(1, 2, 2, 13)),
    "attributes of a link": (SPANS, nested(1, 2, 2, 13, 4)),
    "values of an array": (SPANS, nested(1, 2, 2, 9, 2, 5, 1)),
    "values of a map": (SPANS, nested(1, 2, 2, 9, 2, 6, 1)),
    "values in values": (SPANS, nested(1, 2, 2, 9, 2, 6, 1, 2, 5, 1, 6, 1)),
    "a log's body": (LOGS, nested(1, 2, 2, 5, 6, 1)),
    "attributes of a log record": (LOGS, nested(1, 2, 2, 6)),
    "metadata of a metric": (METRICS, nested(1, 2, 2, 12)),
    "exemplars": (METRICS, nested(1, 2, 2, 5, 1, 5)),
    "attributes of an exemplar": (METRICS, nested(1, 2, 2, 9, 1, 8, 7)),
    "attributes of an exponential histogram": (METRICS, nested(1, 2, 2, 10, 1, 1)),
    "buckets": (METRICS, nested(1, 2, 2, 10, 1, 8)),
    "quantiles": (METRICS, nested(1, 2, 2, 11, 1, 6)),
}


@pytest.mark.parametrize(("signal", "build"), FIELDS.values(), ids=FIELDS)
def test_fields_are_counted(signal: OtlpSignal, build: Built) -> None:
    assert check(build(2_000), signal) == "fields"
    assert check(build(900), signal) == ""


def test_tags_spelled_longer_than_they_need_be_count_too() -> None:
    long_tag = bytes([0x4A | 0x80, 0x80, 0x00])  # field 9 with a length, in three bytes instead of one
    assert check(request(SPAN_IDS + (long_tag + b"\x00") * 2_000)) == "fields"


def test_fields_that_are_no_parts_are_not_walked_for_ever() -> None:
    scalars = varint(6 << 3) + b"\x01"
    assert check(request(SPAN_IDS + part(9) * 1_001 + scalars * 10)) == "fields"
    assert check(request(SPAN_IDS + scalars * 2_000)) == ""  # and cost a parser nothing


def test_texts_full_of_tags_are_texts() -> None:
    said = '\n*2JZjz"' * 1_000
    assert check(request_of([SpanSpec(1, attributes={"said": said})]).SerializeToString()) == ""


def test_what_is_broken_is_left_to_the_parser() -> None:
    whole = request(SPAN_IDS + part(9) * 600)
    for broken in (whole[:-1], whole + b"\x0a\xff", whole + b"\xff" * 20, part(1, b"\x0b" + whole), b"\x07" * 900):
        assert check(broken) in ("", "fields")
    # What stands before and behind the broken part counts all the same.
    assert check(nested(1)(200) + b"\x0a\x7f" + b"\xff" * 30) == "items"
    assert check(part(1, b"\x12\xff\xff") + nested(1)(200)) == "items"


def test_depth_costs_nothing() -> None:
    deep = NOTHING
    for _ in range(5_000):
        deep = part(5, part(1, deep))
    assert check(request(SPAN_IDS + part(9, part(2, deep))), fields=100) == "fields"


@given(st.binary(max_size=400))
def test_no_bytes_fail(noise: bytes) -> None:
    assert check(noise, items=0, fields=2**20) in ("", "items")


@given(st.integers(0, 60), st.integers(0, 8))
def test_an_honest_request_has_the_parts_it_has(spans: int, attributes: int) -> None:
    said: dict[str, str | int | float | bool | bytes | None] = {f"key.{n}": "z" * n for n in range(attributes)}
    payload = request_of([SpanSpec(name + 1, attributes=said) for name in range(spans)]).SerializeToString()
    items = spans + 4  # a resource, a scope, and the message around each
    assert check(payload, items=items, fields=2**20) == ""
    if spans:
        assert check(payload, items=spans - 1, fields=2**20) == "items"


def test_the_limits_leave_room_for_honest_senders() -> None:
    said: dict[str, str | int | float | bool | bytes | None] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.agent.id": "did:web:a",
        "gen_ai.usage.input_tokens": 1,
    }
    payload = request_of([SpanSpec(name + 1, attributes=said) for name in range(1_000)]).SerializeToString()
    assert (64 << 20) // (len(payload) // 1_000) < ITEMS_MAX
    assert FIELDS_MAX * 16 <= 64 << 20
