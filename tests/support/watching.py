"""Reading watches in tests."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from ringfence_kit.events import Bookmark, Event, WatchItem


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
