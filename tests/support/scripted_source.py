"""A watch that says what a test tells it to say."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ringfence.errors import RingfenceError
from ringfence.watch import Step
from ringfence.watch_position import WatchAnswer

A = TypeVar("A", bound=WatchAnswer)


@dataclass(frozen=True)
class Word:
    """One answer of the scripted service: a name and a value, in revision order."""

    name: str
    value: str = ""
    type: int = 1
    revision: int = 0
    initial_state_end: bool = False


@dataclass
class ScriptedSource(Generic[A]):
    """`say` hands on steps; `fail` ends the watch with an error; interruptions are counted."""

    interruptions: int = 0
    _steps: "asyncio.Queue[Step[A] | RingfenceError]" = field(default_factory=asyncio.Queue)

    async def __aiter__(self) -> AsyncIterator[Step[A]]:
        while True:
            step = await self._steps.get()
            if isinstance(step, RingfenceError):
                raise step
            yield step
            self._steps.task_done()

    async def say(self, *steps: Step[A]) -> None:
        """Hand on `steps`, and wait until the reader has taken them."""
        for step in steps:
            self._steps.put_nowait(step)
        await self._steps.join()

    def hand_on(self, step: Step[A]) -> None:
        """Hand on a step, whatever becomes of it."""
        self._steps.put_nowait(step)

    def fail(self, error: RingfenceError) -> None:
        """End the watch with `error`."""
        self._steps.put_nowait(error)

    def interrupt(self) -> None:
        self.interruptions += 1
