"""Reads the spans that are kept of traces, each with the prices it was charged by."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from ringfence_telemetry.prices.book import NO_PRICES, KnownPrice, PriceBook, Prices
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.spans import SpanFact
from ringfence_telemetry.store import KeptTrace
from ringfence_telemetry.trace_keys import TraceKey, is_trusted
from ringfence_telemetry.workflows.linking import NO_LINKS, Links, has_fragments, links_of

OTHERS_MAX = 16
"""Reporters that are not believed and are asked what lies between the fragments of a trace."""


class Entered(NamedTuple):
    """Spans that were counted together."""

    reporter: Reporter
    facts: Sequence[SpanFact]
    prices: Prices = NO_PRICES
    """What they were charged by."""


class TraceRead(NamedTuple):
    """All that is kept of a trace."""

    spans: Sequence[Entered]
    """In the order they were counted."""
    links: Links = NO_LINKS
    """What joins them where spans between are not believed."""


class KeptTraceStore(Protocol):
    """What is read."""

    async def kept(self, traces: Collection[TraceKey]) -> Mapping[TraceKey, KeptTrace]:
        """Return what is kept of `traces`; those of which nothing is kept are absent."""
        ...

    async def keys_of(self, trace_id: bytes) -> Mapping[TraceKey, bool]:
        """Return the keys under which anything of a trace is kept, in order."""
        ...

    async def known_prices(self) -> Sequence[KnownPrice]:
        """Return every price, in the order they became known."""
        ...


class KeptTraces:
    """Spans of traces, read from the store."""

    def __init__(self, store: KeptTraceStore, prices: PriceBook) -> None:
        self._store = store
        self._prices = prices

    async def read(self, keys: Collection[TraceKey]) -> dict[TraceKey, TraceRead]:
        """Return the spans of traces; traces without any are absent."""
        kept = await self._store.kept(keys)
        if any(part.prices > self._prices.newest.revision for trace in kept.values() for _, part in trace.parts):
            # Another replica heard of a price first, and charged by it.
            self._prices.learn(await self._store.known_prices())
        return {key: await self._read(key, trace) for key, trace in kept.items()}

    async def _read(self, key: TraceKey, trace: KeptTrace) -> TraceRead:
        spans = [Entered(reporter, part.facts, self._prices.as_of(part.prices)) for reporter, part in trace.parts]
        if not is_trusted(key) or not has_fragments(part.facts for _, part in trace.parts):
            return TraceRead(spans)
        # Few traces have fragments: most are read without a look at what else was said of them.
        others = [other for other in await self._store.keys_of(key) if not is_trusted(other)][:OTHERS_MAX]
        said = await self._store.kept(others) if others else {}
        return TraceRead(
            spans, links_of((reporter, part.facts) for other in said.values() for reporter, part in other.parts)
        )
