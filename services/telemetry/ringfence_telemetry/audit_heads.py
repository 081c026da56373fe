"""The newest head of the audit log, told to whoever watches.

The rules:

- a watcher is told the newest head first of all, then whenever there is another or it got another signature, and every
  five seconds that it is still the same: silence means that the stream is broken, not that nothing happened;
- one that reads slowly misses heads, never the newest: every later head vouches for those between;
- the log is read once for all watchers, at most every tenth of a second, and not at all when nobody watches.
"""

import asyncio
from collections.abc import AsyncGenerator

from ringfence_kit.clock import SECOND, Clock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.log_keys import StoredCheckpoint

from ringfence_telemetry.store.audit import AuditLogStore
from ringfence_telemetry.waiting import happens_within

HEARTBEAT = Millis(5 * SECOND)
SPACING = Millis(100)
"""The shortest time between two heads on a stream."""


class AuditHeads:
    """Tells watchers of heads while `run` runs."""

    def __init__(self, store: AuditLogStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._head: StoredCheckpoint | None = None
        self._told = 0
        self._tell = asyncio.Event()
        self._wake = asyncio.Event()
        self.watchers = 0
        """Streams that are open."""

    def look(self) -> None:
        """Take note that there may be another head, or another signature beneath the newest."""
        if self.watchers:
            self._wake.set()

    async def run(self) -> None:
        """Tell of heads until cancelled."""
        while True:
            woken = await happens_within(HEARTBEAT, self._clock, _waited_for(self._wake))
            self._wake.clear()
            if self.watchers:
                await self._read(unchanged_too=not woken)
                await self._clock.sleep(SPACING)

    async def watch(self) -> AsyncGenerator[StoredCheckpoint, None]:
        """Yield the newest head, and then every one that is told, until closed (`contextlib.aclosing`)."""
        self.watchers += 1
        try:
            told = self._told
            head = await self._store.checkpoint()
            while True:
                if head is not None:
                    yield head
                while self._told == told:
                    await self._tell.wait()
                told, head = self._told, self._head
        finally:
            self.watchers -= 1

    async def _read(self, *, unchanged_too: bool) -> None:
        try:
            head = await self._store.checkpoint()
        except Unavailable:
            return  # who watches hears nothing, and that says it
        if head == self._head and not unchanged_too:
            return
        self._head = head
        self._told += 1
        self._tell.set()
        self._tell = asyncio.Event()


async def _waited_for(event: asyncio.Event) -> None:
    await event.wait()
