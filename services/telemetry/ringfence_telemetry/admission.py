"""How much may be in the ingest queue at once, and how long a sender waits for room before it is asked to come again.

The rules:

- who comes first is let in first; what is let in is counted until it has been worked off;
- a sender is held for at most two seconds: most bursts are over by then, and many SDKs lose what they are refused;
- whoever is refused is told a time to wait, not the same for all, so that they do not come back together;
- one request larger than the whole queue is let in when the queue is empty, or it could never be.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from ringfence_kit.clock import SECOND, Clock, Millis

from ringfence_telemetry.errors import IngestOverloaded
from ringfence_telemetry.waiting import happens_within

HOLD = Millis(2 * SECOND)
RETRY_LEAST = Millis(500)
RETRY_STEP = Millis(100)
RETRY_STEPS = 16
"""Delays of 0.5 to 2 s: the Python SDK drops a batch that it is asked to hold for longer."""


@dataclass(slots=True, eq=False)
class _Waiting:
    items: int
    size: int
    admitted: "asyncio.Future[None]"


class Admission:
    """The room in the queue, in items and bytes."""

    def __init__(self, *, items_max: int, bytes_max: int, clock: Clock) -> None:
        self._items_max = items_max
        self._bytes_max = bytes_max
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._refusals = 0
        self.items = 0
        self.bytes = 0

    async def enter(self, *, items: int, size: int) -> None:
        """Return once there is room for a request, and count it in. Raises IngestOverloaded after two seconds."""
        if not self._waiting and self._fits(items, size):
            self._count(items, size)
            return
        waiting = _Waiting(items, size, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            admitted = await happens_within(HOLD, self._clock, waiting.admitted)
        except asyncio.CancelledError:
            self._withdraw(waiting)
            raise
        if not admitted:
            self._withdraw(waiting)
            raise self.refusal("the ingest queue stayed full for 2 s")

    def readmit(self, *, items: int, size: int) -> None:
        """Count in what was let in before a restart."""
        self._count(items, size)

    def leave(self, *, items: int, size: int) -> None:
        """Count a request out, and let in who has room now."""
        self.items -= items
        self.bytes -= size
        self._let_in()

    def refusal(self, problem: str) -> IngestOverloaded:
        """Return what a sender is told, with the next of a spread of delays."""
        self._refusals += 1
        delay = Millis(RETRY_LEAST + RETRY_STEP * (self._refusals % RETRY_STEPS))
        return IngestOverloaded(problem=problem, retry_after=delay)

    def _withdraw(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            self._let_in()
        else:  # let in, and cancelled before it knew
            self.leave(items=waiting.items, size=waiting.size)

    def _let_in(self) -> None:
        while self._waiting:
            first = self._waiting[0]
            if not self._fits(first.items, first.size):
                return
            self._waiting.popleft()
            self._count(first.items, first.size)
            first.admitted.set_result(None)

    def _fits(self, items: int, size: int) -> bool:
        return self.items == 0 or (self.items + items <= self._items_max and self.bytes + size <= self._bytes_max)

    def _count(self, items: int, size: int) -> None:
        self.items += items
        self.bytes += size
