"""Contenders take turns: all are up at once, each has a slice of time, round by round, and says what that cost.

The rules:

- the first round only warms up and is not counted;
- a server's cost is CPU of its processes for each check, until nothing is left to do of what it answered: a decision
  that is not in the log yet is not done;
- every round has one number of each series, so that ratios are made inside a round, where neighbours disturb both;
- one that fails is out, with all it said before: half a series is none. The others go on.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from grpc_load import Load
from processes import cpu_of, memory_of

Progress = Callable[[str], None]


class Contender(Protocol):
    """Something that is measured a slice at a time."""

    @property
    def name(self) -> str:
        """The name of its series."""
        ...

    async def take_turn(self, seconds: float) -> float:
        """Work for so long, and return the round's number."""
        ...


async def nothing_left() -> None:
    """Have nothing left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server under one kind of call; its series is µs of CPU for each check."""

    name: str
    pid: int
    load: Load
    checks: int = 1
    """In one message."""
    settled: Callable[[], Awaitable[None]] = nothing_left
    """Returns once nothing is left to do of what was answered."""

    async def take_turn(self, seconds: float) -> float:
        """Answer for one slice."""
        used = cpu_of(self.pid)
        found = await self.load.run(seconds)
        await self.settled()
        return (cpu_of(self.pid) - used) / (found.calls * self.checks) * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """A server asked by one caller at a time; its series is the median wait in milliseconds."""

    name: str
    load: Load
    settled: Callable[[], Awaitable[None]] = nothing_left

    async def take_turn(self, seconds: float) -> float:
        """Answer for one slice."""
        found = await self.load.run(seconds)
        await self.settled()
        return statistics.median(found.latencies) * 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class InProcess:
    """A function of ours, called here; its series is µs of this thread's CPU for each call."""

    name: str
    line: Callable[[], object]
    calls: int = 50
    """Between two looks at the clock."""

    async def take_turn(self, seconds: float) -> float:
        """Call it for one slice, with nothing else going on in this process."""
        ends, calls, used = time.perf_counter() + seconds, 0, time.thread_time()
        while not calls or time.perf_counter() < ends:
            for _ in range(self.calls):
                self.line()
            calls += self.calls
        return (time.thread_time() - used) / calls * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Something of ours that works in this process, behind its answers too; its series is µs of CPU for each call."""

    name: str
    line: Callable[[], object]
    settled: Callable[[], Awaitable[None]]
    calls: int = 50
    """Before it gets the event loop."""

    async def take_turn(self, seconds: float) -> float:
        """Call it for one slice, and wait for the rest of its work; all threads are counted."""
        ends, calls, used = time.perf_counter() + seconds, 0, time.process_time()
        while time.perf_counter() < ends:
            for _ in range(self.calls):
                self.line()
            calls += self.calls
            await asyncio.sleep(0)
        await self.settled()
        return (time.process_time() - used) / calls * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembering:
    """A server that is not asked anything now; its series is what it holds in memory, in MB."""

    name: str
    pid: int

    async def take_turn(self, seconds: float) -> float:  # noqa: ARG002 - it takes no time
        """Look at it."""
        return memory_of(self.pid) / 1e6


async def in_turns(
    contenders: Sequence[Contender], *, rounds: int, slice_s: float, progress: Progress
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Let each have its slice, round by round; return the series, and why there is none of the others."""
    found: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    failed: dict[str, str] = {}
    for number in range(rounds + 1):
        progress("warming up" if number == 0 else f"round {number} of {rounds}")
        for contender in contenders:
            if contender.name in failed:
                continue
            try:
                value = await contender.take_turn(slice_s)
            except Exception as error:  # noqa: BLE001 - whatever it was, the others go on
                progress(f"{contender.name}: {error}")
                failed[contender.name] = f"{type(error).__name__}: {error}"
                del found[contender.name]
                continue
            if number:
                found[contender.name].append(value)
    return found, failed
