"""A follower of a pdp that a test serves, on a clock of its own if a test wants the two to differ."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Clock
from ringfence_pdp.convert.snapshots import snapshot_watch, take_snapshot
from ringfence_pdp.snapshots.following import SnapshotFollower

DECIDER = Caller(principal="embedding", roles=frozenset({Role.DECIDER}))


class News:
    """Wakes whoever waits."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        await self._event.wait()


@dataclass(frozen=True)
class Followed:
    """A follower, and whoever waits for what it hears."""

    follower: SnapshotFollower
    news: News

    async def until(self, holds: Callable[[SnapshotFollower], object]) -> None:
        """Return once something holds of the follower."""
        while not holds(self.follower):
            await self.news.wait()


@asynccontextmanager
async def followed(channel: grpc.aio.Channel, clock: Clock, **settings: Any) -> AsyncIterator[Followed]:
    """Follow a pdp over `channel`, from the whole state on."""
    news = News()
    follower = SnapshotFollower(
        lambda: snapshot_watch(channel), take_snapshot, clock=clock, on_change=news.tell, **settings
    )
    async with follower.following():
        await follower.complete()
        yield Followed(follower, news)
