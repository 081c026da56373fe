"""However a large request is made up, others get their turns while it is read."""

import asyncio

import pytest
from ringfence_telemetry.convert.otlp import parse
from ringfence_telemetry.otlp_signal import OtlpSignal
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.request_reading import TURN, Received, RequestReader
from ringfence_telemetry.span_reading import ATTRIBUTES_MAX
from support.telemetry.spans import NOW
from support.telemetry.wire_parts import SPAN_IDS, part, request, varint

REPORTER = Reporter(principal="collector", speaks_for_all=True)


def say(key: bytes, value: bytes) -> bytes:
    """Return an attribute with a text."""
    return part(1, key) + part(2, part(1, value))


TOKENS = part(1, b"gen_ai.usage.input_tokens") + part(2, varint(3 << 3) + b"\x07")
VERDICT = part(3, say(b"gen_ai.evaluation.name", b"good")) + part(3, say(b"gen_ai.evaluation.score.label", b"pass"))


async def read(payload: bytes) -> tuple[Received, int]:
    """Return what a request says, and how many turns others had meanwhile."""
    reader = RequestReader(exclusive_scopes=frozenset(), pseudonym=str)
    parsed = parse(OtlpSignal.SPANS, payload)
    reading = asyncio.ensure_future(reader.read(parsed, signal=OtlpSignal.SPANS, reporter=REPORTER, received_at=NOW))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    return await reading, turns


LARGE = {
    "spans": request(*[SPAN_IDS] * 10 * TURN),
    "resources": part(1) * 10 * TURN,
    "scopes": part(1, part(2) * 10 * TURN),
    "attributes": request(*[SPAN_IDS + part(9) * 1_000] * 640),
    "attributes of resources": part(1, part(1, part(1) * 1_000)) * 100,
    "judgements": request(SPAN_IDS + part(11, part(2, b"gen_ai.evaluation.result") + VERDICT) * 9_000),
}


@pytest.mark.parametrize("payload", LARGE.values(), ids=LARGE)
async def test_others_get_their_turns(payload: bytes) -> None:
    _, turns = await read(payload)
    assert turns >= 9


async def test_attributes_beyond_a_bound_are_not_looked_at() -> None:
    payload = request(SPAN_IDS + part(9) * ATTRIBUTES_MAX + part(9, TOKENS))
    received, _ = await read(payload)
    assert [fact.tokens[0] for _, fact in received.facts] == [0]
    payload = request(SPAN_IDS + part(9) * (ATTRIBUTES_MAX - 1) + part(9, TOKENS))
    received, _ = await read(payload)
    assert [fact.tokens[0] for _, fact in received.facts] == [7]


async def test_spans_with_very_many_attributes_are_not_remembered() -> None:
    reader = RequestReader(exclusive_scopes=frozenset(), pseudonym=str)
    for models in range(50):
        named = say(b"gen_ai.request.model", b"model-%d" % models)
        parsed = parse(OtlpSignal.SPANS, request(SPAN_IDS + part(9, named) + part(9) * 5_000))
        await reader.read(parsed, signal=OtlpSignal.SPANS, reporter=REPORTER, received_at=NOW)
    patterns = reader._memory.patterns(None)
    assert patterns == {}
