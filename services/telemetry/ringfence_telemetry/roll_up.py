"""Received requests → what they change: usage totals, and the spans to keep so that late ones still count right.

The rules:

- spans are entered into their trace's ledger in the order of the log, so a replay after a crash gives the same;
- a ledger is in memory or built again from the parts that were kept of it; which of the two makes no difference;
- what a reporter may not say is entered into a ledger of its own, where it touches nobody else's;
- a large request is worked on in slices, and others run in between;
- after a commit that failed everything in memory is dropped: what is stored is the truth.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from ringfence_kit import records
from ringfence_kit.clock import DAY, Instant

from ringfence_telemetry.evaluation.said import Said
from ringfence_telemetry.health_window import AgentCall
from ringfence_telemetry.labels import Label, LabelBook
from ringfence_telemetry.otlp_signal import OtlpSignal
from ringfence_telemetry.prices.book import PriceBook
from ringfence_telemetry.reporters import Binding, Reporter, is_identity
from ringfence_telemetry.request_reading import Received
from ringfence_telemetry.spans import SpanFact
from ringfence_telemetry.store import KeptTrace, NewPart, TelemetryStore, TraceKey, TracePart, UsageTx
from ringfence_telemetry.tallies import Tally
from ringfence_telemetry.trace_keys import is_trusted, suffix_of
from ringfence_telemetry.trace_ledger import TraceLedger
from ringfence_telemetry.usage import UsageChange

SLICE = 512
"""Spans entered before others get a turn: a few milliseconds."""

_BINDINGS_MAX = 1_000


@dataclass(slots=True)
class Rolled:
    """What requests came to: to be stored in one transaction."""

    change: UsageChange = field(default_factory=UsageChange)
    parts: list[NewPart] = field(default_factory=list)
    reporters: dict[str, Reporter] = field(default_factory=dict)
    labels: list[Label] = field(default_factory=list)
    tallies: dict[OtlpSignal, Tally] = field(default_factory=lambda: {signal: Tally() for signal in OtlpSignal})
    malformed_values: int = 0
    evaluations: list[Said] = field(default_factory=list)
    """What evaluators said; one that was said before is here again."""
    calls: list[AgentCall] = field(default_factory=list)
    """Calls of agents, as who called them saw them."""

    def store(self, tx: UsageTx) -> None:
        """Write it."""
        tx.keep_reporters(self.reporters)
        tx.keep_labels(self.labels)
        tx.keep_parts(self.parts)
        tx.add_usage(self.change.sums(), self.change.durations(), self.change.called())


class _Bound(NamedTuple):
    """A reporter as it is kept, and what it may say."""

    digest: str
    binding: Binding


@dataclass(slots=True)
class _Open:
    """A ledger in memory, and the number of the next part to keep of it."""

    ledger: TraceLedger
    next_number: int


class RollUp:
    """The open traces of an ingest log, and what was entered since the last commit."""

    def __init__(
        self,
        store: TelemetryStore,
        labels: LabelBook,
        *,
        prices: PriceBook,
        spans_in_memory: int,
        traces_in_memory: int,
    ) -> None:
        self._store = store
        self._labels = labels
        self._prices = prices
        self._spans_in_memory = spans_in_memory
        self._traces_in_memory = traces_in_memory
        self._open: OrderedDict[TraceKey, _Open] = OrderedDict()
        self._spans = 0
        self._bound: dict[bytes, _Bound] = {}
        self._rolled = Rolled()

    @property
    def spans_open(self) -> int:
        """Spans of traces in memory."""
        return self._spans

    async def prepare(self, group: Iterable[Received]) -> None:
        """Bring the ledgers that a group of requests will ask for into memory at once: one read costs as much as many.

        Only where it is known beforehand which they are: whoever may name everyone is believed.
        """
        wanted: dict[bytes, None] = {}
        for received in group:
            if received.reporter.speaks_for_all:
                wanted.update(dict.fromkeys([trace for trace, _ in received.facts]))
        await self._load([TraceKey(trace) for trace in wanted if trace not in self._open])

    async def enter(self, received: Received) -> None:
        """Enter a request."""
        rolled = self._rolled
        rolled.tallies[received.signal].rejected += received.rejected
        rolled.malformed_values += received.malformed_values
        rolled.evaluations += received.evaluations
        if received.signal is not OtlpSignal.SPANS:
            rolled.tallies[received.signal].rolled_up += received.items
            return
        bound = self._bound_of(received.reporter)
        entry = _Entry(received, bound, self._labels)
        while facts := entry.some():
            await self._load([key for key in facts if key not in self._open])
            for key, found in facts.items():
                kept = self._add(key, found, bound, received.received_at)
                if is_trusted(key):
                    rolled.calls += entry.calls_among(self._open[key].ledger.first_told(kept))
            await asyncio.sleep(0)

    def take(self) -> Rolled:
        """Return what was entered since the last call, to be stored."""
        rolled, self._rolled = self._rolled, Rolled()
        rolled.labels = self._labels.take_fresh()
        return rolled

    def committed(self) -> None:
        """Note that all that was taken is stored: ledgers may leave memory."""
        while self._open and (self._spans > self._spans_in_memory or len(self._open) > self._traces_in_memory):
            _, left = self._open.popitem(last=False)
            self._spans -= len(left.ledger)

    async def restart(self, now: Instant) -> None:
        """Forget what is not stored, and start again from what is."""
        self._open.clear()
        self._spans = 0
        self._rolled = Rolled()
        self._labels.restore(await self._store.labels(from_day=now // DAY - 1))

    async def _load(self, keys: Sequence[TraceKey]) -> None:
        """Bring ledgers into memory: built from what is kept, or new."""
        if not keys:
            return
        kept = await self._store.kept(keys)
        if any(part.prices > self._prices.newest.revision for trace in kept.values() for _, part in trace.parts):
            # Another replica heard of a price first, and charged by it.
            self._prices.learn(await self._store.known_prices())
        for key in keys:
            trace, ledger = kept.get(key), TraceLedger(trusted=is_trusted(key))
            self._open[key] = _Open(ledger, 0 if trace is None else trace.next_number)
            if trace is not None:
                self._grow_again(ledger, trace)

    def _grow_again(self, ledger: TraceLedger, trace: KeptTrace) -> None:
        unused = UsageChange()
        for reporter, part in trace.parts:
            ledger.add(part.facts, self._bound_of(reporter).binding, unused, self._prices.as_of(part.prices))
        self._spans += len(ledger)

    def _add(self, key: TraceKey, facts: Iterable[SpanFact], bound: _Bound, received_at: Instant) -> Sequence[SpanFact]:
        """Enter facts into their ledger; return those that are new to it."""
        rolled, open_ = self._rolled, self._open[key]
        self._open.move_to_end(key)
        before = len(open_.ledger)
        prices = self._prices.newest
        added = open_.ledger.add(facts, bound.binding, rolled.change, prices)
        grown = len(open_.ledger) - before
        self._spans += grown
        tally = rolled.tallies[OtlpSignal.SPANS]
        tally.rolled_up += grown + added.unrelated
        tally.duplicates += added.duplicates
        if added.kept:
            part = TracePart(bound.digest, added.kept, prices.revision)
            rolled.parts.append(NewPart(trace=key, number=open_.next_number, part=part, received_at=received_at))
            rolled.reporters[bound.digest] = bound.binding.reporter
            open_.next_number += 1
        return added.kept

    def _bound_of(self, reporter: Reporter) -> _Bound:
        record = records.encode(reporter)
        bound = self._bound.get(record)
        if bound is None:
            if len(self._bound) >= _BINDINGS_MAX:
                self._bound.clear()
            bound = self._bound[record] = _Bound(hashlib.sha256(record).hexdigest()[:32], Binding(reporter))
        return bound


class _Entry:
    """A request's facts, named as they count, a slice at a time."""

    def __init__(self, received: Received, bound: _Bound, labels: LabelBook) -> None:
        self._received = received
        self._naming = labels.naming(bound.binding, received_at=received.received_at)
        self._itself = bound.binding.reporter.principal
        self._suffix = suffix_of(self._itself)
        self._facts = iter(received.facts)

    def calls_among(self, facts: Sequence[SpanFact]) -> list[AgentCall]:
        """Return the calls of agents among believed facts; what an agent says of itself is no caller's view."""
        return [
            AgentCall(
                fact.agent,
                self._received.revisions.get(fact.span, ""),
                self._received.received_at,
                fact.duration_micros,
                fact.is_error,
                fact.detail.skill if fact.detail is not None else "",
            )
            for fact in facts
            if is_identity(fact.agent) and fact.agent != self._itself
        ]

    def some(self) -> dict[TraceKey, list[SpanFact]]:
        """Return the next facts by ledger; none when all have been returned."""
        found: dict[TraceKey, list[SpanFact]] = {}
        name, suffix = self._naming.name, self._suffix
        for trace_id, read in islice(self._facts, SLICE):
            fact, trusted = name(read)
            key = TraceKey(trace_id if trusted else trace_id + suffix)
            facts = found.get(key)
            if facts is None:
                found[key] = [fact]
            else:
                facts.append(fact)
        return found
