"""A request as it came → what it says, ready to be counted: facts of spans, and what evaluators said.

Reading needs nothing but the request, who sent it and when; so what is read when it comes in, and again from the ingest
log after a crash, is the same. A large request is read in slices, and others run in between.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ringfence_kit.clock import Instant

from ringfence_telemetry.detail_reading import DetailReader
from ringfence_telemetry.evaluation.said import Said, said
from ringfence_telemetry.otlp_shapes import LogEvent, Parsed, ResourceSpans
from ringfence_telemetry.otlp_signal import OtlpSignal
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.span_reading import Memory, SpanReader
from ringfence_telemetry.spans import SpanFact

_Each = TypeVar("_Each")

TURN = 512
"""Spans, or what takes as long to read, before others get a turn, once or nearly twice: a few milliseconds."""

_AT_ONCE = 64
"""Spans read before it is asked how long that took."""

_ATTRIBUTES_OF_A_SPAN = 16
"""Attributes that take about as long to read as the span of a common sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request, read."""

    signal: OtlpSignal = OtlpSignal.SPANS
    reporter: Reporter
    received_at: Instant
    items: int
    """Spans, log records or data points in it that are such."""
    rejected: int = 0
    """How many of its items are none."""
    facts: Sequence[tuple[bytes, SpanFact]] = ()
    """With the traces they belong to, in the order of the request."""
    revisions: Mapping[int, str] = field(default_factory=dict)
    """Span id → the agent's revision that was called, of the few spans that say so."""
    evaluations: Sequence[Said] = ()
    malformed_values: int = 0


class RequestReader:
    """Reads requests; remembers what attributes and details say, since most say it again."""

    def __init__(self, *, exclusive_scopes: frozenset[str], pseudonym: Callable[[str], str]) -> None:
        """`pseudonym` makes of a person a digest nobody can turn back."""
        self._exclusive_scopes = exclusive_scopes
        self._memory = Memory(DetailReader(pseudonym))

    async def read(self, parsed: Parsed, *, signal: OtlpSignal, reporter: Reporter, received_at: Instant) -> Received:
        """Return what a request says."""
        reader = SpanReader(self._memory, received_at=received_at, exclusive_scopes=self._exclusive_scopes)
        facts: list[tuple[bytes, SpanFact]] = []
        for some in _slices(parsed.spans, reader):
            facts += some
            await asyncio.sleep(0)
        evaluations: list[Said] = []
        for events in _turns([*parsed.events, *reader.events], TURN):
            evaluations += _said(events, reporter, received_at)
            await asyncio.sleep(0)
        rejected = parsed.rejected if signal is not OtlpSignal.SPANS else parsed.items - len(facts)
        return Received(
            signal=signal,
            reporter=reporter,
            received_at=received_at,
            items=parsed.items - rejected,
            rejected=rejected,
            facts=facts,
            revisions=reader.revisions,
            evaluations=evaluations,
            malformed_values=reader.malformed_values,
        )


def _slices(resources: Iterable[ResourceSpans], reader: SpanReader) -> Iterator[list[tuple[bytes, SpanFact]]]:
    facts, taken = list[tuple[bytes, SpanFact]](), 0
    for looked_at, some in _pieces(resources, reader):
        facts += some
        taken += looked_at
        if taken + reader.attributes_read // _ATTRIBUTES_OF_A_SPAN >= TURN:
            yield facts
            facts, taken, reader.attributes_read = [], 0, 0
    yield facts


def _pieces(
    resources: Iterable[ResourceSpans], reader: SpanReader
) -> Iterator[tuple[int, list[tuple[bytes, SpanFact]]]]:
    """Give what is read at once: how many parts it has, and what they say."""
    read = reader.read
    for resource_spans in resources:
        defaults = reader.defaults(resource_spans.resource.attributes)
        yield 1, []
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope.name
            yield 1, []
            for spans in _turns(scope_spans.spans, _AT_ONCE):
                yield len(spans), [fact for span in spans if (fact := read(span, defaults, scope)) is not None]


def _turns(all_: Sequence[_Each], size: int) -> Iterator[Sequence[_Each]]:
    return (all_[first : first + size] for first in range(0, len(all_), size))


def _said(events: Iterable[LogEvent], reporter: Reporter, received_at: Instant) -> Iterator[Said]:
    for event in events:
        found = said(
            event.attributes,
            trace_id=event.trace_id,
            span_id=event.span_id,
            time_unix_nano=event.time_unix_nano,
            received_at=received_at,
            reporter=reporter,
        )
        if found is not None:
            yield found
