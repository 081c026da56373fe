"""A settler that ends itself by SIGKILL at the worst moments, for the kill -9 test.

Run as a program with a database URL, a directory for the ingest log, a moment and a count, it settles what is due and
kills itself the count-th time the moment comes: `read`, when traces were read and nothing is written; `judged`, inside
the transaction; `committed`, before anybody was told. With the moment `never` it settles everything that is left.

Its judge keeps a row for each settling in the transaction of the settling; the rows are what the test counts.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from ringfence_kit.clock import HOUR, Instant, ManualClock, Millis
from ringfence_telemetry.prices.book import PriceBook
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store.workflows import DueTrace, NotedOutcome
from ringfence_telemetry.trace_keys import TraceKey
from ringfence_telemetry.workflows.kept_traces import KeptTraces, TraceRead
from ringfence_telemetry.workflows.settled import Settling
from ringfence_telemetry.workflows.settler import DueTraces, Settler

from support.backends import Backend
from support.telemetry.ingesting import ingesting
from support.telemetry.opened import opened_store
from support.telemetry.spans import SpanSpec

TRACES = 2_400
AGENT = "did:web:agents.example:a"


class Fate:
    """Ends the process when its moment has come often enough."""

    def __init__(self, moment: str, count: int) -> None:
        self._moment = moment
        self._left = count

    def meet(self, moment: str) -> None:
        """Be at a moment."""
        self._left -= moment == self._moment
        if moment == self._moment and self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class DoomedTraces(KeptTraces):
    """Traces, the reading of which may be the last."""

    def __init__(self, inner: KeptTraces, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate

    async def read(self, keys: Collection[TraceKey]) -> dict[TraceKey, TraceRead]:
        """Read, and live or not."""
        found = await self._inner.read(keys)
        self._fate.meet("read")
        return found


class KeepingJudge:
    """Keeps a row for each settling."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    def judge(self, tx: TelemetryTx, settlings: tuple[Settling, ...], at: Instant) -> None:
        """Keep them."""
        for settling in settlings:
            index, work = random.getrandbits(62), settling.now.trace_id.hex()
            tx.note_outcome(NotedOutcome(index=index, did=AGENT, accepted=settling.previous is None, work_id=work))
        self._fate.meet("judged")


class DoomedSettler(Settler):
    """Settles, and may not live to tell."""

    fate: Fate

    async def settle(self, due: Sequence[DueTrace]) -> None:
        """Settle."""
        await super().settle(due)
        self.fate.meet("committed")


def load() -> list[SpanSpec]:
    """Return the spans of many traces."""
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": AGENT}
    return [SpanSpec(1, 0, attributes, trace=trace) for trace in range(1, TRACES + 1)]


async def live(url: str, directory: Path, fate: Fate) -> None:
    """Live until the end, or the moment."""
    clock = ManualClock()
    async with opened_store(Backend(kind="sqlite", url=url), clock=clock) as opened:
        async with ingesting(opened, directory, clock=clock, consequences=[DueTraces()]) as at_work:
            await at_work.send(load())  # again in every life: none of it is news
            await at_work.ingest.caught_up()
        clock.advance(Millis(HOUR))
        traces = DoomedTraces(KeptTraces(opened.store, PriceBook()), fate)
        settler = DoomedSettler(opened.writer, opened.store, traces, judges=[KeepingJudge(fate)], clock=clock)
        settler.fate = fate
        await settler.settle_due()


if __name__ == "__main__":
    asyncio.run(live(sys.argv[1], Path(sys.argv[2]), Fate(sys.argv[3], int(sys.argv[4]))))
