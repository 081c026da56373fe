"""Decisions as they are made, to whoever watches: from now on, without history, and never at the price of a decision.

A watcher that does not read is closed, not waited for. What it missed is in the audit log.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Final, NamedTuple

from ringfence_kit.background import background
from ringfence_kit.clock import Clock, Millis
from ringfence_kit.errors import WatcherTooSlow

from ringfence_pdp.answer import Answer
from ringfence_pdp.facts import AgentIdentity
from ringfence_pdp.model import CheckRequest

WAITING_MAX: Final = 1_000
"""Decisions that may wait for one watcher."""

HEARTBEAT: Final = Millis(5_000)


class Seen(NamedTuple):
    """A decision as watchers see it."""

    request: CheckRequest
    answer: Answer
    identity: AgentIdentity | None
    """The agent's, as far as it is known."""

    @property
    def agent(self) -> str:
        """The agent by name, or as it was asked about."""
        if self.identity is not None:
            return self.identity.resource_name
        return str(self.request.agent or self.request.did or "")


class _Watcher:
    def __init__(self, wants: Callable[[Seen], bool]) -> None:
        self.wants = wants
        self.waiting: deque[Seen | None] = deque()
        self.woken = asyncio.Event()
        self.too_slow = False

    def offer(self, seen: Seen | None) -> None:
        if len(self.waiting) >= WAITING_MAX:
            self.too_slow = True
        else:
            self.waiting.append(seen)
        self.woken.set()


class DecisionWatch:
    """Those who watch, and what they are told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._watchers: set[_Watcher] = set()

    @property
    def is_on(self) -> bool:
        """Whether anybody watches; nothing is made for nobody."""
        return bool(self._watchers)

    def tell(self, seen: Seen) -> None:
        """Tell a decision to everybody who wants it."""
        for watcher in self._watchers:
            if not watcher.too_slow and watcher.wants(seen):
                watcher.offer(seen)

    async def watch(self, wants: Callable[[Seen], bool]) -> AsyncGenerator[Seen | None, None]:
        """Yield None once it watches, decisions from then on, and None when there was none for a while.

        Raises WatcherTooSlow.
        """
        watcher = _Watcher(wants)
        self._watchers.add(watcher)
        watcher.offer(None)
        try:
            async with background(self._beat(watcher)):
                while True:
                    await watcher.woken.wait()
                    watcher.woken.clear()
                    while watcher.waiting:
                        if watcher.too_slow:
                            raise WatcherTooSlow(resume_revision=0)
                        yield watcher.waiting.popleft()
        finally:
            self._watchers.discard(watcher)

    async def _beat(self, watcher: _Watcher) -> None:
        while True:
            await self._clock.sleep(HEARTBEAT)
            if not watcher.waiting:
                watcher.offer(None)
