"""Reads the spans that are kept of traces, each with the prices it was charged by."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from ringfence_telemetry.prices.book import NO_PRICES, KnownPrice, PriceBook, Prices
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.spans import SpanFact
from ringfence_telemetry.store import KeptTrace
from ringfence_telemetry.trace_keys import TraceKey


class Entered(NamedTuple):
    """Spans that were counted together."""

    reporter: Reporter
    facts: Sequence[SpanFact]
    prices: Prices = NO_PRICES
    """What they were charged by."""


class KeptTraceStore(Protocol):
    """What is read."""

    async def kept(self, traces: Collection[TraceKey]) -> Mapping[TraceKey, KeptTrace]:
        """Return what is kept of `traces`; those of which nothing is kept are absent."""
        ...

    async def known_prices(self) -> Sequence[KnownPrice]:
        """Return every price, in the order they became known."""
        ...


class KeptTraces:
    """Spans of traces, read from the store."""

    def __init__(self, store: KeptTraceStore, prices: PriceBook) -> None:
        self._store = store
        self._prices = prices

    async def read(self, keys: Collection[TraceKey]) -> dict[TraceKey, list[Entered]]:
        """Return the spans of traces, in the order they were counted; traces without any are absent."""
        kept = await self._store.kept(keys)
        if any(part.prices > self._prices.newest.revision for trace in kept.values() for _, part in trace.parts):
            # Another replica heard of a price first, and charged by it.
            self._prices.learn(await self._store.known_prices())
        return {
            key: [Entered(reporter, part.facts, self._prices.as_of(part.prices)) for reporter, part in trace.parts]
            for key, trace in kept.items()
        }
