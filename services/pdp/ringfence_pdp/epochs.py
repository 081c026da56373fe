"""Says when what was answered before may not hold any more: a number that grows, and somebody to wait for.

Everything that changes it happens on the event loop: the pdp's own events, and the feeds.
"""

import asyncio
from collections.abc import Callable


class Epochs:
    """The epoch of this moment, which `current` reads, and those who wait for another."""

    def __init__(self, current: Callable[[], int]) -> None:
        self._current = current
        self._changed = asyncio.Event()
        self._is_awaited = False

    @property
    def now(self) -> int:
        """The epoch of this moment: answers with a lower one are void."""
        return self._current()

    def changed(self) -> None:
        """Wake whoever waits; they look for themselves whether it has grown."""
        if self._is_awaited:
            self._changed.set()
            self._changed = asyncio.Event()
            self._is_awaited = False

    async def after(self, epoch: int) -> int:
        """Return the epoch once it is later than `epoch`."""
        while (now := self._current()) <= epoch:
            self._is_awaited = True
            await self._changed.wait()
        return now
