"""Signals on their way to identity: queued with their evidence, delivered in order, at least once.

The rules:

- the queue is a table written in the transaction of the evidence, so no signal is lost and none is without evidence;
- a signal stays queued until identity says what became of it; sent twice it counts once, by its id;
- identity being away is no fault of a signal: all wait, the oldest first;
- a signal identity cannot read would hold up all others for ever: it is sent alone, set aside, and logged.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from ringfence.backoff import Backoff
from ringfence_kit.clock import SECOND, Clock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.signals import Signal
from ringfence_telemetry.store import PRINCIPAL, PendingSignal, TelemetryStore, TelemetryTx
from ringfence_telemetry.waiting import happens_within

BATCH = 500
LOOK_EVERY = Millis(30 * SECOND)
"""How often the queue is looked at though nobody queued here: another replica may have ended in the middle."""

UNREADABLE = "UNREADABLE"
"""What becomes of a signal that the receiver cannot read."""

_log = structlog.get_logger(__name__)


class ReceiverAway(Exception):  # noqa: N818 - named for what happened, like the failures of the kit
    """The receiver cannot be reached, or does not take signals now."""


class SignalsUnreadable(Exception):  # noqa: N818 - as above
    """The receiver refuses the request as malformed: at least one of the signals in it is."""


class SignalReceiver(Protocol):
    """Where signals go."""

    async def record(self, signals: Sequence[Signal]) -> Sequence[str]:
        """Return what became of each signal, in order. Raises ReceiverAway, SignalsUnreadable."""
        ...


@dataclass(slots=True)
class DeliveryCounts:
    """What became of signals since the start, and how many wait."""

    delivered: int = 0
    unreadable: int = 0
    put_off: int = 0
    """Deliveries that identity, or our own store, did not take and that are made again."""
    pending: int = 0


class SignalDelivery:
    """Delivers what is queued for as long as `run` runs."""

    def __init__(
        self,
        writer: Writer[TelemetryTx],
        store: TelemetryStore,
        *,
        clock: Clock,
        backoff: Backoff | None = None,
    ) -> None:
        self._writer = writer
        self._store = store
        self._clock = clock
        self._backoff = backoff or Backoff(first=0.2, cap=10.0)
        self._queued = asyncio.Event()
        self.counts = DeliveryCounts()

    def look(self) -> None:
        """Look at the queue: something may have been put in."""
        self._queued.set()

    async def run(self, receiver: SignalReceiver) -> None:
        """Deliver to `receiver` for ever."""
        while True:
            self._queued.clear()
            try:
                batch = await self._store.pending_signals(limit=BATCH)
                self.counts.pending = len(batch) if len(batch) < BATCH else await self._store.pending_signal_count()
                if batch:
                    await self._deliver(batch, receiver)
            except (ReceiverAway, Unavailable) as problem:
                wait = Millis(round(self._backoff.next_wait() * 1_000))
                self.counts.put_off += 1
                _log.warning("signals_wait", pending=self.counts.pending, problem=str(problem), retry_in_ms=wait)
                await self._clock.sleep(wait)
                continue
            self._backoff.reset()
            if not batch:
                await happens_within(LOOK_EVERY, self._clock, self._queued_again())

    async def _queued_again(self) -> None:
        await self._queued.wait()

    async def _deliver(self, batch: Sequence[PendingSignal], receiver: SignalReceiver) -> None:
        try:
            outcomes = await receiver.record([pending.signal for pending in batch])
        except SignalsUnreadable as problem:
            if len(batch) > 1:
                for alone in batch:
                    await self._deliver([alone], receiver)
                return
            outcomes = [UNREADABLE]
            self.counts.unreadable += 1
            _log.error("signal_unreadable", signal_id=batch[0].signal.signal_id, problem=str(problem))
        settled = {pending.number: outcome for pending, outcome in zip(batch, outcomes, strict=True)}
        await self._writer.write(
            lambda tx: tx.settle_signals(settled),
            mutation=Mutation(principal=PRINCIPAL, at=self._clock.now()),
            result=type(None),
        )
        self.counts.delivered += len(batch)
        self.counts.pending = max(0, self.counts.pending - len(batch))
