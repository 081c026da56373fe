"""A ManualClock whose sleepers can be awaited, so a test moves time exactly when somebody waits for it."""

import asyncio

from ringfence_kit.clock import Instant, ManualClock, Millis


class SteppedClock(ManualClock):
    """Hands out each sleep as it begins."""

    def __init__(self, start: Instant = Instant(1_767_225_600_000)) -> None:
        super().__init__(start)
        self._begun: asyncio.Queue[Millis] = asyncio.Queue()

    async def sleep(self, duration: Millis) -> None:
        self._begun.put_nowait(duration)
        await super().sleep(duration)

    async def next_sleep(self) -> Millis:
        """Return how long the next sleeper wants to sleep, once it does."""
        return await self._begun.get()

    async def pass_next_sleep(self) -> Millis:
        """Wait for the next sleeper, let exactly its time pass, and return how long that was."""
        duration = await self.next_sleep()
        self.advance(duration)
        return duration
