"""The newest head of the audit log, told to whoever watches.

The rules:

- a watcher is told the newest head first of all, then whenever there is another or it got another signature, and every
  five seconds that it is still the same: silence means that the stream is broken, not that nothing happened;
- one that reads slowly misses heads, never the newest: every later head vouches for those between;
- the log is read once for all watchers, at most every tenth of a second; what another replica, or a change that brought
  its entry along, appended is told within five.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from ringfence.proofs.signed_note import parse_note
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
        """The newest that was read."""
        self._told = 0
        self._tell = asyncio.Event()
        self._wake = asyncio.Event()
        self.watchers = 0
        """Streams that are open."""

    @property
    def head(self) -> StoredCheckpoint | None:
        """The newest head that was read; None at first."""
        return self._head

    def look(self) -> None:
        """Take note that there may be another head, or another signature beneath the newest."""
        self._wake.set()

    async def run(self) -> None:
        """Tell of heads until cancelled."""
        woken = True
        while True:
            self._wake.clear()
            await self._read(unchanged_too=not woken)
            await self._clock.sleep(SPACING)
            woken = await happens_within(HEARTBEAT, self._clock, _waited_for(self._wake))

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


class AuditMetrics(Collector):
    """What telemetry tells Prometheus of its audit log."""

    def __init__(self, heads: AuditHeads, clock: Clock) -> None:
        self._heads = heads
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        prefix, head = "ringfence_telemetry_audit", self._heads.head
        yield GaugeMetricFamily(f"{prefix}_watchers", "Streams of the audit log's heads.", value=self._heads.watchers)
        if head is not None:
            age = max(0, self._clock.now() - head.at) / SECOND
            size, signers = head.frontier.size, len(parse_note(head.note).signatures)
            yield GaugeMetricFamily(f"{prefix}_tree_size", "Entries under the newest head.", value=size)
            yield GaugeMetricFamily(f"{prefix}_head_age_seconds", "Time since it was signed.", value=age)
            yield GaugeMetricFamily(f"{prefix}_head_witnesses", "Witnesses behind it.", value=signers - 1)


async def _waited_for(event: asyncio.Event) -> None:
    await event.wait()
