"""Load that does not let go: every request is repeated, with the same request id, until it is acknowledged.

What was acknowledged is written down as it comes; whether it is all still there is asked when the load is over.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import grpc
from ringfence.backoff import Backoff
from ringfence.errors import RingfenceError
from ringfence.pace import Pace

A = TypeVar("A")

PATIENCE_S = 30.0
"""What one attempt gets, waiting for the service to be back included."""

BROKEN = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
"""How a call ends whose service was killed: it may have happened or not."""


def new_request_id() -> str:
    """Return a request id of its own for one change."""
    return str(uuid.uuid4())


@dataclass(slots=True)
class Pulse:
    """Counts what one service acknowledges, so that a moment can be chosen by what is going on."""

    acknowledged: int = 0
    repeated: int = 0
    """Attempts whose outcome was unknown, so that they were made again."""
    _beat: asyncio.Event = field(default_factory=asyncio.Event)

    def beat(self) -> None:
        """Count an acknowledgement."""
        self.acknowledged += 1
        self._beat.set()
        self._beat = asyncio.Event()

    async def beats(self, count: int, *, within: float) -> bool:
        """Wait for `count` more acknowledgements, but not longer than `within` seconds; say whether they came."""
        wanted = self.acknowledged + count
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self.acknowledged < wanted:
                    await self._beat.wait()
        return self.acknowledged >= wanted


class Load(Protocol):
    """What keeps one service busy, and knows what it was promised."""

    pulse: Pulse

    async def write_one(self, writer: int) -> None:
        """Do one small story of changes, each until it is acknowledged."""
        ...

    async def check(self) -> None:
        """Fail unless everything acknowledged is there, and nothing else."""
        ...


async def until_acknowledged(pulse: Pulse, method: Callable[..., Awaitable[A]], request: Any) -> A:
    """Return the answer to `request`, however often it has to be sent."""
    backoff = Backoff(first=0.01, cap=0.1)  # a service that is starting refuses at once
    while True:
        try:
            answer = await method(request, timeout=PATIENCE_S, wait_for_ready=True)
        except RingfenceError as error:
            if error.code not in BROKEN:
                raise
            pulse.repeated += 1
            await Pace().sleep_async(backoff.next_wait())
        else:
            pulse.beat()
            return answer


async def write_until(stopped: asyncio.Event, load: Load, writer: int) -> None:
    """Write story after story; the one in progress when it is stopped is finished, so nothing is left unknown."""
    while not stopped.is_set():
        await load.write_one(writer)
