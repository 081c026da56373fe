"""Lets calls be answered one after the other in one task, until one of them has to wait: it keeps the task.

A task for each call costs as much as a good part of its answer, and most are answered without waiting for anything. So
what comes in one turn of the event loop shares a task, and its context. The rules:

- nobody waits for somebody else: when a call has to, those behind it get another task in the same turn of the loop;
- a task that is cancelled, for the call it is busy with, takes no other;
- what a call sets in the context, as its caller, it sets before its handler is asked: the one before it left its own.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Protocol, cast


class Taking(Protocol):
    """What takes its turn."""

    def answer(self, task: "asyncio.Task[None]") -> Coroutine[Any, Any, None]:
        """Do what is to be done, in `task`."""
        ...


class Turns:
    """Those who wait for their turn on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Taking] = deque()
        self._task: asyncio.Task[None] | None = None
        """The one that takes who waits; any before it only ends what it is busy with."""
        self._has_begun = False
        """Whether that one has begun: seen from outside of it, it is busy with somebody who waits, then."""

    def add(self, one: Taking) -> None:
        """Let `one` have its turn, soon."""
        self._waiting.append(one)
        if self._task is None or self._has_begun:
            self._go_on()

    def _go_on(self) -> None:
        self._has_begun = False
        self._task = self._loop.create_task(self._take())

    async def _take(self) -> None:
        task, waiting = cast("asyncio.Task[None]", asyncio.current_task()), self._waiting
        self._has_begun = True
        if len(waiting) > 1:
            self._loop.call_soon(self._look)
        try:
            while waiting and self._task is task and not task.cancelling():
                await waiting.popleft().answer(task)
        finally:
            if self._task is task:
                self._task = None

    def _look(self) -> None:
        """Go on without a task that waits, or that was ended by what it did."""
        if self._waiting and (self._task is None or self._has_begun):
            self._go_on()
