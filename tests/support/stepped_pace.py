"""A client's passing time, moved by its own waits: nothing waits, and every wait is written down."""

import asyncio
from dataclasses import dataclass, field

from ringfence.pace import Pace


@dataclass
class SteppedPace:
    """Give `pace()` to what is tested and look at `waits`."""

    now: float = 1_000.0
    waits: list[float] = field(default_factory=list)

    def pace(self) -> Pace:
        return Pace(now=lambda: self.now, sleep=self._sleep, sleep_async=self._sleep_async)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    async def _sleep_async(self, seconds: float) -> None:
        self._sleep(seconds)
        await asyncio.sleep(0)
