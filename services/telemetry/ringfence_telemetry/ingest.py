"""The way of spans, logs and metrics in: admitted, read, durable, acknowledged, then rolled up; and nothing is lost.

`ingest_counts` has the equation that proves it, for each signal. The rules:

- a request is acknowledged when it is in the ingest log, and rolled up afterwards, in the order of the log;
- totals and the log's position are one transaction, so a replay after kill -9 counts every item exactly once;
- at the start whatever the log holds beyond that position is rolled up before anyone is let in;
- a store that cannot be written now stops the rolling up, not the acknowledging, until the queue is full.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import structlog
from ringfence_kit import records
from ringfence_kit.background import background
from ringfence_kit.clock import SECOND, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.heap import collecting_seldom
from ringfence_kit.ids import NewId
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.admission import Admission
from ringfence_telemetry.frames import Frame
from ringfence_telemetry.health_window import AgentCall
from ringfence_telemetry.ingest_counts import IngestCounts, SignalCounts
from ringfence_telemetry.otlp_shapes import Parsed
from ringfence_telemetry.otlp_signal import OtlpSignal
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.request_reading import Received, RequestReader
from ringfence_telemetry.roll_up import Rolled, RollUp
from ringfence_telemetry.segment_disk import LOCAL_DISK, Disk
from ringfence_telemetry.segment_files import LOG_START, Position
from ringfence_telemetry.segments import Logged, LogUnwritable, SegmentLog
from ringfence_telemetry.store import PRINCIPAL, Progress, TelemetryStore, TelemetryTx, TraceMoved
from ringfence_telemetry.waiting import happens_within

GROUP_ITEMS = 4_096
"""Items after which a transaction is closed, though more are waiting: who waits for room waits for one of them."""

STORE_RETRY = Millis(SECOND // 2)

FINISH = Millis(5 * SECOND)
"""How long the end waits for the last totals; what is missing then is rolled up at the next start."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A request as it came."""

    signal: OtlpSignal = OtlpSignal.SPANS
    payload: bytes
    parsed: Parsed
    reporter: Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accepted:
    """What travels with a request through the log."""

    received: Received
    size: int


class Consequence(Protocol):
    """Something that follows from what was rolled up: budgets, alerts, what is to be settled."""

    def draw(self, tx: TelemetryTx, rolled: Rolled, at: Instant) -> None:
        """Store what follows; called in the writer's thread, so only with what `tx` knows. It does not fail."""
        ...


def _nobody(_calls: Sequence[AgentCall]) -> None:
    """Tell nobody."""


class Ingest:
    """Takes spans in."""

    def __init__(
        self,
        directory: Path,
        writer: Writer[TelemetryTx],
        store: TelemetryStore,
        roll_up: RollUp,
        admission: Admission,
        *,
        parse: Callable[[OtlpSignal, bytes], Parsed],
        reader: RequestReader,
        free_bytes_least: int,
        clock: Clock,
        new_id: NewId,
        on_calls: Callable[[Sequence[AgentCall]], None] = _nobody,
        consequences: Sequence[Consequence] = (),
        disk: Disk = LOCAL_DISK,
    ) -> None:
        """Take requests in; `consequences` are drawn in the transaction that stores the totals.

        `on_calls` is told the calls of agents among the spans, once they are stored; it does not fail or wait.
        """
        self._writer = writer
        self._store = store
        self._roll_up = roll_up
        self._admission = admission
        self._parse = parse
        self._reader = reader
        self._free_bytes_least = free_bytes_least
        self._clock = clock
        self._on_calls = on_calls
        self._consequences = consequences
        self._ingest_log: SegmentLog[_Accepted] = SegmentLog(
            directory, on_durable=self._acknowledged, on_refused=self._refused, new_id=new_id, disk=disk
        )
        self._progress = Progress()
        self._in_doubt = False
        self._last = LOG_START
        """Where the last request that was acknowledged ends."""
        self._queue: deque[Logged[_Accepted]] = deque()
        self._work = asyncio.Event()
        self._advanced = asyncio.Event()
        self._needed_from: list[Callable[[], Position]] = []
        self.counts = IngestCounts()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the log, catch up with it, and roll up what comes for as long as the block lasts; then finish."""
        with collecting_seldom():  # spans and ledgers form no cycles, and there are very many of them
            async with self._caught_up_log():
                yield

    @asynccontextmanager
    async def _caught_up_log(self) -> AsyncIterator[None]:
        async with self._ingest_log:
            await self._recover()
            async with background(self._roll_up_for_ever()):
                await self.caught_up()
                yield
                await happens_within(FINISH, self._clock, self.caught_up())

    async def export(self, export: Export) -> int:
        """Accept a request: return how many of its items are none, once the others are durable.

        Raises IngestOverloaded, and Unavailable when the log cannot be written; then nothing of it was accepted.
        """
        counts, items, size = self.counts.of[export.signal], export.parsed.items, len(export.payload)
        counts.received += items
        if not items:
            return 0
        await self._admit(counts, items, size)
        try:
            received = await self._reader.read(
                export.parsed, signal=export.signal, reporter=export.reporter, received_at=self._clock.now()
            )
        except BaseException:
            counts.refused += items
            self._admission.leave(items=items, size=size)
            raise
        if not received.items:
            counts.rejected += items
            self._admission.leave(items=items, size=size)
            return items
        frame = Frame(
            received_at=received.received_at,
            reporter=records.encode(export.reporter),
            payload=export.payload,
            signal=export.signal,
        )
        try:
            await self._ingest_log.append(frame, _Accepted(received=received, size=size))
        except LogUnwritable as error:
            raise Unavailable(problem=str(error)) from error
        return received.rejected

    async def caught_up(self) -> None:
        """Return when everything acknowledged before the call is in the totals."""
        wanted = self._last
        while self._progress.position < wanted:
            self._advanced.clear()
            await self._advanced.wait()

    async def forget(self, *, received_before: Instant) -> int:
        """Delete segments that are rolled up, older, and needed by nobody else; return how many."""
        needed = min([self._progress.position, *[needed_from() for needed_from in self._needed_from]])
        return await asyncio.to_thread(self._ingest_log.forget, needed, older_than=received_before)

    def keep_from(self, needed_from: Callable[[], Position]) -> None:
        """Keep segments from a position on: somebody still reads them."""
        self._needed_from.append(needed_from)

    @property
    def log(self) -> SegmentLog[Any]:
        """What was accepted, to read."""
        return self._ingest_log

    async def _admit(self, counts: SignalCounts, items: int, size: int) -> None:
        try:
            self._check_disk(size)
            await self._admission.enter(items=items, size=size)
        except BaseException:
            counts.refused += items
            raise

    def _check_disk(self, size: int) -> None:
        needed = self._free_bytes_least + size
        # Who is refused appends nothing, so what the last append found is looked at again: there may be room by now.
        if self._ingest_log.free_bytes < needed and self._ingest_log.look_for_room() < needed:
            raise self._admission.refusal("the disk is nearly full")

    def _acknowledged(self, logged: Sequence[Logged[_Accepted]]) -> None:
        for each in logged:
            received = each.carried.received
            counts = self.counts.of[received.signal]
            counts.acknowledged += received.items
            counts.rejected += received.rejected
        self._queue.extend(logged)
        self._last = logged[-1].end
        self._work.set()

    def _refused(self, accepted: _Accepted) -> None:
        items = _items(accepted)
        self.counts.of[accepted.received.signal].refused += items
        self._admission.leave(items=items, size=accepted.size)

    async def _recover(self) -> None:
        """Queue what the log holds and the totals do not."""
        self._progress = await self._store.progress(self._ingest_log.log_id)
        self._ingest_log.skip_to(self._progress.position)
        await self._roll_up.restart(self._clock.now())
        for found in self._ingest_log.recover(self._progress.position):
            self.counts.damaged_bytes += found.damaged_bytes
            if found.frame is not None:
                self._queue.append(Logged(found.frame, found.end, await self._read_back(found.frame)))
        self._last = self._queue[-1].end if self._queue else self._progress.position
        counts = self.counts
        for signal, of_signal in counts.of.items():
            queued = [each.carried.received for each in self._queue if each.carried.received.signal is signal]
            of_signal.resume(
                self._progress.tally(signal),
                queued=sum(received.items for received in queued),
                queued_rejected=sum(received.rejected for received in queued),
            )
        if self._queue:
            self._work.set()
        if self._queue or counts.damaged_bytes or self._ingest_log.torn_bytes:
            _log.warning(
                "ingest_log_recovered",
                requests=len(self._queue),
                torn_bytes=self._ingest_log.torn_bytes,
                damaged_bytes=counts.damaged_bytes,
            )

    async def _read_back(self, frame: Frame) -> _Accepted:
        """Return what was accepted; it is counted into the queue, whose bound it respected when it came."""
        received = await self._reader.read(
            self._parse(frame.signal, frame.payload),
            signal=frame.signal,
            reporter=records.decode(frame.reporter, Reporter),
            received_at=frame.received_at,
        )
        accepted = _Accepted(received=received, size=len(frame.payload))
        self._admission.readmit(items=_items(accepted), size=accepted.size)
        return accepted

    async def _roll_up_for_ever(self) -> None:
        while True:
            await self._work.wait()
            group = self._take_group()
            while not await self._roll(group):
                await self._clock.sleep(STORE_RETRY)

    def _take_group(self) -> Sequence[Logged[_Accepted]]:
        group, items = [], 0
        while self._queue and items < GROUP_ITEMS:
            group.append(self._queue.popleft())
            items += _items(group[-1].carried)
        if not self._queue:
            self._work.clear()
        return group

    async def _roll(self, group: Sequence[Logged[_Accepted]]) -> bool:
        """Roll up a group and store it; False when that has to be tried again."""
        try:
            if self._in_doubt:
                # What the failed attempt left behind is unknown, in memory and in the store: ask the store.
                self._progress = await self._store.progress(self._ingest_log.log_id)
                await self._roll_up.restart(self._clock.now())
                self._in_doubt = False
            if self._progress.position < group[-1].end:
                await self._enter_and_store(group)
        except (Unavailable, TraceMoved) as problem:
            self._in_doubt = True
            _log.warning("roll_up_put_off", problem=str(problem) or type(problem).__name__)
            return False
        self._settle(group)
        return True

    async def _enter_and_store(self, group: Sequence[Logged[_Accepted]]) -> None:
        await self._roll_up.prepare(each.carried.received for each in group)
        for each in group:
            await self._roll_up.enter(each.carried.received)
        rolled, at = self._roll_up.take(), self._clock.now()
        after = self._progress.after(group[-1].end, rolled.tallies)

        def work(tx: TelemetryTx) -> None:
            rolled.store(tx)
            for consequence in self._consequences:
                consequence.draw(tx, rolled, at)
            tx.advance(self._ingest_log.log_id, after)

        await self._writer.write(work, mutation=Mutation(principal=PRINCIPAL, at=at), result=type(None))
        self._progress = after
        self._roll_up.committed()
        self.counts.malformed_values += rolled.malformed_values
        self._on_calls(rolled.calls)

    def _settle(self, group: Sequence[Logged[_Accepted]]) -> None:
        for signal, counts in self.counts.of.items():
            counts.settle(self._progress.tally(signal))
        for each in group:
            self._admission.leave(items=_items(each.carried), size=each.carried.size)
        self._advanced.set()


def _items(accepted: _Accepted) -> int:
    """Return how many items count against the queue: all that came, since they were read before they were judged."""
    return accepted.received.items + accepted.received.rejected
