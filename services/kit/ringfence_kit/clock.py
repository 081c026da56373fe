"""Where time comes from.

Domain code takes `now` as an argument and never reads a clock. Composition roots take one `Clock` and hand it down,
so a test or a demo can move a whole mesh through eight days in a second.

What time is made of, `Instant` and `Millis`, is `ringfence.instants`: whoever checks a proof needs those and no clock.
"""

import asyncio
import heapq
import itertools
import time
from typing import Protocol

from ringfence.instants import DAY, EPOCH, HOUR, MINUTE, SECOND, Instant, Millis

__all__ = [
    "DAY",
    "EPOCH",
    "HOUR",
    "MINUTE",
    "SECOND",
    "Clock",
    "Instant",
    "ManualClock",
    "Millis",
    "SystemClock",
]


class Clock(Protocol):
    """Reads the time and waits for it to pass."""

    def now(self) -> Instant:
        """Return the current instant. It may go back when an operator sets the wall clock back; callers guard."""
        ...

    async def sleep(self, duration: Millis) -> None:
        """Return once `duration` has passed on this clock; at once when it is zero or negative."""
        ...


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> Instant:
        """Return the wall clock's time."""
        return Instant(time.time_ns() // 1_000_000)

    async def sleep(self, duration: Millis) -> None:
        """Wait on the event loop's monotonic timer, so a wall-clock step does not stretch or cut the wait."""
        await asyncio.sleep(max(0, duration) / 1_000)


class ManualClock:
    """A clock that moves only when it is told to: for tests, and for the demo, which says so.

    `advance` wakes sleepers in the order of their deadlines. It does not run them: the caller awaits something the
    sleeper produces, as with any other task.
    """

    def __init__(self, start: Instant = Instant(1_767_225_600_000)) -> None:
        self._now = start
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now(self) -> Instant:
        """Return the time last set."""
        return self._now

    def advance(self, duration: Millis) -> None:
        """Move forward and wake every sleeper whose time has come."""
        self.set(Instant(self._now + duration))

    def set(self, instant: Instant) -> None:
        """Move to `instant`, which may lie in the past: a clock set back is one of the attacks tests play."""
        self._now = instant
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    async def sleep(self, duration: Millis) -> None:
        """Wait until the clock has been moved `duration` past the present."""
        if duration <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + duration, next(self._order), future))
        await future
