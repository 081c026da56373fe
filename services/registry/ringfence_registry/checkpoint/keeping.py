"""When a checkpoint is written: after a start that had much to work out, now and then, and at the end.

Nothing hangs on it. A process that is killed leaves the last one, and the next start works out anew what changed since;
so it is written every `EVERY` in which something changed, in a thread, from a copy of the catalog as it stood.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import islice

from ringfence_kit.clock import MINUTE, Clock, Millis

from ringfence_registry.checkpoint.file import CheckpointFile
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.store import StoredAgents

EVERY = Millis(10 * MINUTE)
WORTH_IT = 1_000
"""Fewer agents are worked out in less time than it takes to think about it."""
_LOOKED_AT = 2
"""So many times as many are looked at to see whether what was kept is of use."""


class CheckpointKeeping:
    """Reads the checkpoint at the start of a catalog and writes it in its life."""

    def __init__(self, file: CheckpointFile, catalog: AgentCatalog, clock: Clock, *, worth_it: int = WORTH_IT) -> None:
        self._file = file
        self._catalog = catalog
        self._clock = clock
        self._worth_it = worth_it
        self._written = 0
        """What `AgentCatalog.changes` was when it was written."""

    def restore(self, stored: StoredAgents) -> None:
        """Have the catalog begin with what was kept, if it was kept of agents that are stored. Takes seconds."""
        with closing(stored.rows()) as rows:
            some = list(islice(rows, _LOOKED_AT * self._worth_it))
        if len(some) < self._worth_it:
            return
        held = self._file.read()
        if held is None:
            return
        known = dict(zip(held.names, held.digests, strict=True))
        same = sum(known.get(row.name) == row.digest for row in some)
        # Whatever it is, the catalog comes out right; one that changed only takes twice the time.
        if same * 2 >= len(some):
            self._catalog.restore(held)

    async def run(self) -> None:
        """Write when it is due, until cancelled."""
        if self._catalog.changes - self._written >= self._worth_it:
            await self.write()
        while True:
            await self._clock.sleep(EVERY)
            await self.write()

    @asynccontextmanager
    async def at_the_end(self) -> AsyncIterator[None]:
        """Write once more when the block was left in order."""
        yield
        await self.write()

    async def write(self) -> None:
        """Write, unless nothing changed or there is little to keep."""
        changes = self._catalog.changes
        if changes == self._written or len(self._catalog) < self._worth_it:
            return
        await asyncio.to_thread(self._file.write, self._catalog.held())
        self._written = changes  # only now: who is cancelled may not have begun
