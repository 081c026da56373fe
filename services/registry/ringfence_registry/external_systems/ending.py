"""Writing down that decisions to trust have ended, so that watchers hear of it and no clock brings them back.

Nobody depends on this to be safe: until when a tool may reach what it reaches is written into the tool, and whoever
decides compares that with its own clock. It is what makes the end an event.
"""

from typing import NoReturn

import structlog
from ringfence_kit.clock import SECOND, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.external_systems.entry import ended
from ringfence_registry.external_systems.model import ExternalSystem
from ringfence_registry.external_systems.rows import put_system
from ringfence_registry.resources.changing import changed
from ringfence_registry.resources.names import ExternalSystemName
from ringfence_registry.resources.snapshot import ResourceSnapshot
from ringfence_registry.store.tools import ToolTx

LOOK_EVERY = Millis(SECOND)

MOST_AT_ONCE = 100
"""Decisions ended in one transaction; others write meanwhile."""

ACTOR = "service:registry"
"""Who ends a decision whose time has come."""

_log = structlog.get_logger(__name__)


class TrustEnding:
    """Ends decisions when their time has come."""

    def __init__(self, writer: Writer[ToolTx], systems: ResourceSnapshot[ExternalSystem], clock: Clock) -> None:
        self._writer = writer
        self._systems = systems
        self._clock = clock

    async def run(self) -> NoReturn:
        """End what is due, every second, until cancelled."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            try:
                await self.end_due(self._clock.now())
            except Unavailable as error:
                _log.warning("trust_ending_put_off", problem=error.message)

    async def end_due(self, now: Instant) -> int:
        """End the decisions whose time has come at `now`; return how many were ended."""
        due = [system.name for system in self._systems.within() if _due(system, now)][:MOST_AT_ONCE]
        if not due:
            return 0

        def work(tx: ToolTx) -> int:
            return sum(_end(tx, name, now) for name in due)

        return await self._writer.write(work, mutation=Mutation(principal=ACTOR, at=now), result=int)


def _end(tx: ToolTx, name: ExternalSystemName, now: Instant) -> bool:
    # Read anew: somebody may have decided again, and another replica may have been here.
    system = tx.external_system(name)
    if system is None or not _due(system, now):
        return False
    put_system(tx, Change.MODIFIED, changed(system, tx, now, decision=ended(system.decision, now)), now)
    return True


def _due(system: ExternalSystem, now: Instant) -> bool:
    decision = system.decision
    return decision is not None and decision.ended_at is None and decision.expires_at <= now
