"""Settling over any store, with a judge that writes down what it is shown and can be made to fail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ringfence_kit.clock import Instant, ManualClock, Millis
from ringfence_telemetry.prices.book import PriceBook
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.workflows.kept_traces import KeptTraces
from ringfence_telemetry.workflows.settled import Settling
from ringfence_telemetry.workflows.settler import DueTraces, Settler

from support.telemetry.ingesting import Ingesting, ingesting
from support.telemetry.opened import OpenedStore


@dataclass(slots=True)
class NotingJudge:
    """Notes settlings once they are committed, or so it hopes: a transaction that fails later was noted too."""

    seen: list[Settling] = field(default_factory=list)
    fails: bool = False

    def judge(self, tx: TelemetryTx, settlings: tuple[Settling, ...], at: Instant) -> None:
        """Note them."""
        if self.fails:
            raise ZeroDivisionError
        self.seen += settlings


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlingWork:
    """Ingest and a settler at work."""

    at_work: Ingesting
    traces: KeptTraces
    settler: Settler
    judge: NotingJudge
    clock: ManualClock

    def later(self, milliseconds: int) -> None:
        """Let time pass."""
        self.clock.advance(Millis(milliseconds))

    async def settle(self) -> list[Settling]:
        """Settle what is due once everything sent is counted; return what the judge saw of it."""
        await self.at_work.ingest.caught_up()
        before = len(self.judge.seen)
        await self.settler.settle_due()
        return self.judge.seen[before:]


@asynccontextmanager
async def settling(opened: OpenedStore, directory: Path, *, clock: ManualClock) -> AsyncIterator[SettlingWork]:
    """Run ingest with its log in `directory`, and a settler that settles when it is told to."""
    judge = NotingJudge()
    async with ingesting(opened, directory, clock=clock, consequences=[DueTraces()]) as at_work:
        traces = KeptTraces(opened.store, PriceBook())
        settler = Settler(at_work.writer, opened.store, traces, judges=[judge], clock=clock)
        yield SettlingWork(at_work=at_work, traces=traces, settler=settler, judge=judge, clock=clock)
