"""Ends calls that take too long, with one timer for all of them.

A timer for each call costs more than most calls take, and nearly all are ended before they run out. So whoever is under
way is written down with its end, and looked over a few times a second: a call may take up to `LOOKS_EVERY` longer than
its limit says. What is shorter than that, or not to be exceeded, has a timer of its own elsewhere.
"""

import asyncio
from time import monotonic
from types import TracebackType
from typing import Any, Self

from ringfence_kit.clock import Millis

LOOKS_EVERY = 0.05
"""Seconds."""


class TimeLimit:
    """The limit of what runs inside `with`; `passed` says afterwards whether it ran out.

    Like `asyncio.timeout`: the task is cancelled where it waits, and the cancellation becomes `TimeoutError` here.
    """

    __slots__ = ("_cancelling", "_limits", "_task", "ends", "passed")

    def __init__(self, limits: "TimeLimits", task: "asyncio.Task[Any]", ends: float) -> None:
        self._limits = limits
        self._task = task
        self._cancelling = task.cancelling()
        self.ends = ends
        self.passed = False

    def __enter__(self) -> Self:
        self._limits.running.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limits.running.discard(self)
        if self.passed and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def run_out(self) -> None:
        """Cancel the task: its time is over."""
        self.passed = True
        self._task.cancel()


class TimeLimits:
    """All that is under way on one event loop."""

    def __init__(self) -> None:
        self.running: set[TimeLimit] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def limit(self, duration: Millis) -> TimeLimit:
        """Return a limit that begins now."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("time is limited inside of a task")
        if self._timer is None:
            self._timer = loop.call_later(LOOKS_EVERY, self._look)
        # The clock of event loops, read without asking one.
        return TimeLimit(self, task, monotonic() + duration / 1_000)

    def _look(self) -> None:
        loop, now = asyncio.get_running_loop(), monotonic()
        for one in [each for each in self.running if each.ends <= now and not each.passed]:
            one.run_out()
        # Nobody under way: whoever comes next begins anew, and an idle service has no timer.
        self._timer = loop.call_later(LOOKS_EVERY, self._look) if self.running else None
