"""Follows a Watch through every kill and holds each event against the one before: none lost, none twice, in order."""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ringfence.backoff import Backoff
from ringfence.watch import AioWatch, AioWatchMethod, Bookmark, Changed, StateBegins, StateComplete, WatchRequest
from ringfence.watch_position import WatchAnswer

Q = TypeVar("Q", bound=WatchRequest)
A = TypeVar("A", bound=WatchAnswer)
K = TypeVar("K")


class Witness(Generic[A, K]):
    """One watcher. `read` takes from an event what is compared with what was acknowledged."""

    def __init__(self, watch: AioWatch[Any, A], read: Callable[[A], K]) -> None:
        self._watch = watch
        self._read = read
        self._moved = asyncio.Event()
        self.revisions: list[int] = []
        self.saw: list[K] = []
        self.at = 0
        """The revision up to which everything was told, bookmarks included."""

    async def follow(self) -> None:
        """Watch for as long as it is let."""
        async for step in self._watch:
            match step:
                case Changed(revision=revision, answer=answer):
                    assert revision > self.at, f"revision {revision} came after {self.at}"
                    self.revisions.append(revision)
                    self.saw.append(self._read(answer))
                    self.at = revision
                case Bookmark(revision=revision) | StateComplete(revision=revision):
                    assert revision >= self.at, f"a bookmark at {revision} came after {self.at}"
                    self.at = revision
                case StateBegins():
                    raise AssertionError("a watch without initial state began anew")
            self._moved.set()
            self._moved = asyncio.Event()

    async def reached(self, revision: int) -> None:
        """Wait until everything up to `revision` was told."""
        while self.at < revision:
            await self._moved.wait()


def resuming(method: AioWatchMethod[Q, A], request: Q) -> AioWatch[Q, A]:
    """Return a watch that tries again at once: the service it watches is killed all the time."""
    return AioWatch(method, request, backoff=Backoff(first=0.02, cap=0.3))
