"""Reading watches in tests."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import TypeVar

from ringfence_kit.clock import ManualClock, Millis
from ringfence_kit.events import Bookmark, Event, WatchItem
from ringfence_kit.watch import BOOKMARK_EVERY

T = TypeVar("T")


async def take(stream: AsyncGenerator[WatchItem, None], count: int) -> list[WatchItem]:
    """Return the next `count` items; the stream stays open."""
    return [await anext(stream) for _ in range(count)]


async def events_until(stream: AsyncGenerator[WatchItem, None], revision: int) -> list[int]:
    """Return the revisions of the events up to and with `revision`, then close the stream."""
    seen: list[int] = []
    async with aclosing(stream):
        async for item in only_events(stream):
            seen.append(item.revision)
            if item.revision >= revision:
                break
    return seen


async def only_events(stream: AsyncIterator[WatchItem]) -> AsyncIterator[Event]:
    """Pass over bookmarks."""
    async for item in stream:
        if not isinstance(item, Bookmark):
            yield item


async def while_time_passes(clock: ManualClock, waiting: Awaitable[T], *, step: Millis = BOOKMARK_EVERY) -> T:
    """Return what `waiting` gives, moving `clock` on by `step` again and again until it does."""
    future = asyncio.ensure_future(waiting)
    while not future.done():
        clock.advance(step)
        await asyncio.wait({future}, timeout=0.01)
    return await future
