"""Ending the rollout of a canary whose objective telemetry reports as breached.

What could not be written is tried again; what is told twice, or of a revision that is no canary, costs a look-up.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable

from ringfence_kit.clock import SECOND, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.names import AgentName

RETRY = Millis(5 * SECOND)

REASON = "telemetry reports that it does not keep its service level objective"

_NUMBER = re.compile(r"(?:.*/revisions/)?([1-9][0-9]{0,8})", re.ASCII)
"""A revision as spans name it: its number, alone or at the end of its resource name."""

EndRollout = Callable[[AgentName, int, str, Instant], Awaitable[None]]
"""Ends the rollout of an agent whose canary has this number, for this reason. Raises `Unavailable`."""


class BreachedCanaries:
    """Canaries whose rollout is to end; works them off inside `run`."""

    def __init__(self, *, canary_of: Callable[[str], int | None], end_rollout: EndRollout, clock: Clock) -> None:
        """`canary_of` returns which revision of an agent is its canary now, None when none is."""
        self._canary_of = canary_of
        self._end_rollout = end_rollout
        self._clock = clock
        self._waiting: dict[tuple[AgentName, int], None] = {}
        self._news = asyncio.Event()

    def breached(self, agent: str, revision: str) -> None:
        """Note that the objective of a revision is breached."""
        name, number = AgentName.parse(agent), _NUMBER.fullmatch(revision)
        if name is None or number is None or self._canary_of(agent) != int(number[1]):
            return
        self._waiting[name, int(number[1])] = None
        self._news.set()

    async def run(self) -> None:
        """End what is to be ended, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            for name, canary in tuple(self._waiting):
                try:
                    await self._end_rollout(name, canary, REASON, self._clock.now())
                except Unavailable:
                    continue
                del self._waiting[name, canary]
            if self._waiting:
                await self._clock.sleep(RETRY)
                self._news.set()
