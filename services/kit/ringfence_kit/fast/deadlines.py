"""Ends calls whose callers wait no longer, with one timer for all of them.

A timer for each call costs more than most calls take. Calls are kept by the hundredth of a second in which they end,
and a call is ended within one of it.
"""

import asyncio
from typing import Protocol

STEP = 0.01
"""Seconds."""


class Ending(Protocol):
    """What can be ended."""

    def cancel(self) -> None:
        """End it."""
        ...


class Deadlines:
    """All that will have to end on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: dict[int, set[Ending]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0

    def add(self, call: Ending, at: float) -> None:
        """End `call` at `at`, by the loop's clock, unless it is discarded before."""
        step = _step_of(at)
        together = self._due.get(step)
        if together is None:
            together = self._due[step] = set()
        together.add(call)
        if self._timer is None or step < self._timer_at:
            self._set_timer(step)

    def discard(self, call: Ending, at: float) -> None:
        """Forget a call that ended before its time."""
        step = _step_of(at)
        together = self._due.get(step)
        if together is not None:
            together.discard(call)
            if not together:
                del self._due[step]

    def _set_timer(self, step: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = step
        self._timer = self._loop.call_at(step * STEP, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for step in [step for step in self._due if step * STEP <= now]:
            for call in self._due.pop(step):
                call.cancel()
        if self._due:
            self._set_timer(min(self._due))


def _step_of(at: float) -> int:
    return int(at / STEP) + 1
