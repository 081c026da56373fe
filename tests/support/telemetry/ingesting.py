"""Ingest over any store, with a writer that can be made to fail at the worst moments."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ringfence_kit.clock import Clock, ManualClock
from ringfence_kit.errors import Unavailable
from ringfence_kit.events import Revision
from ringfence_kit.ids import counting_ids
from ringfence_kit.store import Mutation, Writer
from ringfence_telemetry.admission import Admission
from ringfence_telemetry.convert.otlp import parse
from ringfence_telemetry.ingest import Consequence, Export, Ingest
from ringfence_telemetry.ingest_counts import SignalCounts
from ringfence_telemetry.labels import LabelBook, LabelLimits
from ringfence_telemetry.otlp_signal import OtlpSignal
from ringfence_telemetry.prices.book import PriceBook
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.request_reading import RequestReader
from ringfence_telemetry.roll_up import RollUp
from ringfence_telemetry.segment_disk import LOCAL_DISK, Disk
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.usage import Counts
from ringfence_telemetry.usage_query import UsageGroup, UsageQuery

from support.telemetry.opened import OpenedStore
from support.telemetry.spans import SpanSpec, request_of

COLLECTOR = Reporter(principal="collector", speaks_for_all=True)
IDS = counting_ids(7)

T = TypeVar("T")


class FrailWriter:
    """A writer that can lose its disk, or its voice."""

    def __init__(self, writer: Writer[TelemetryTx]) -> None:
        self._writer = writer
        self.away = False
        """Nothing is written."""
        self.mute = 0
        """So many writes succeed and are answered as if they had not."""

    async def write(
        self, work: Callable[[TelemetryTx], T], *, mutation: Mutation, result: type[T], validate_only: bool = False
    ) -> T:
        """Write, or fail as told."""
        if self.away:
            raise Unavailable(problem="the disk is gone")
        written = await self._writer.write(work, mutation=mutation, result=result, validate_only=validate_only)
        if self.mute:
            self.mute -= 1
            raise Unavailable(problem="the answer was lost")
        return written

    async def compact(self, keep: int) -> Revision:
        """Forget old events."""
        return await self._writer.compact(keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingesting:
    """Ingest at work."""

    ingest: Ingest
    writer: FrailWriter
    opened: OpenedStore
    admission: Admission
    labels: LabelBook
    roll_up: RollUp

    async def send(self, specs: Sequence[SpanSpec], *, reporter: Reporter = COLLECTOR, scope: str = "tests") -> int:
        """Export spans as `reporter`; return how many were rejected."""
        payload = request_of(specs, scope=scope).SerializeToString()
        return await self.export(payload, reporter=reporter)

    async def export(
        self, payload: bytes, *, signal: OtlpSignal = OtlpSignal.SPANS, reporter: Reporter = COLLECTOR
    ) -> int:
        """Export a request's bytes as `reporter`; return how many items were rejected."""
        parsed = parse(signal, payload)
        return await self.ingest.export(Export(signal=signal, payload=payload, parsed=parsed, reporter=reporter))

    @property
    def counts(self) -> SignalCounts:
        """What became of spans."""
        return self.ingest.counts.of[OtlpSignal.SPANS]

    async def totals(self) -> dict[tuple[str, ...], Counts]:
        """Return everything counted, by agent, session, model, operation and whether it is trusted."""
        await self.ingest.caught_up()
        return await totals_of(self.opened)

    def assert_conserved(self) -> None:
        """Check both lines of the loss equation, for each signal."""
        for counts in self.ingest.counts.of.values():
            assert counts.received == counts.acknowledged + counts.refused + counts.rejected
            assert counts.acknowledged == counts.rolled_up + counts.duplicates + counts.pending


async def totals_of(opened: OpenedStore) -> dict[tuple[str, ...], Counts]:
    """Return everything counted in a store."""
    query = UsageQuery(group_by=tuple(UsageGroup))
    return {
        (*map(str, row.groups), "untrusted" if row.untrusted else "trusted"): row.counts
        for row in await opened.store.usage(query)
    }


@asynccontextmanager
async def ingesting(
    opened: OpenedStore,
    directory: Path,
    *,
    clock: Clock | None = None,
    queue_spans: int = 20_000,
    spans_in_memory: int = 10_000,
    limits: LabelLimits = LabelLimits(),  # noqa: B008 - a tuple
    exclusive_scopes: frozenset[str] = frozenset(),
    free_bytes_least: int = 0,
    away: bool = False,
    consequences: Sequence[Consequence] = (),
    prices: PriceBook | None = None,
    disk: Disk = LOCAL_DISK,
) -> AsyncIterator[Ingesting]:
    """Run ingest with its log in `directory`."""
    clock = clock or ManualClock()
    writer, labels = FrailWriter(opened.writer), LabelBook(limits)
    writer.away = away
    admission = Admission(items_max=queue_spans, bytes_max=2**26, clock=clock)
    roll_up = RollUp(
        opened.store,
        labels,
        prices=prices or PriceBook(),
        spans_in_memory=spans_in_memory,
        traces_in_memory=1_000,
    )
    ingest = Ingest(
        directory,
        writer,
        opened.store,
        roll_up,
        admission,
        parse=parse,
        reader=RequestReader(exclusive_scopes=exclusive_scopes, pseudonym=lambda user: f"person {user}"),
        free_bytes_least=free_bytes_least,
        clock=clock,
        new_id=IDS,
        consequences=consequences,
        disk=disk,
    )
    async with ingest.running():
        yield Ingesting(
            ingest=ingest, writer=writer, opened=opened, admission=admission, labels=labels, roll_up=roll_up
        )
