"""A watch as the contract describes it: the state first where that is wanted, then every change to it.

The rules, for every Watch method of the mesh:

- the state and the revision it stands at are taken in one step, so the changes that follow begin exactly behind it;
- "from now on" begins with a bookmark that says when now was: a stream cut before its first event could not be resumed
  otherwise.
"""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from ringfence_kit.clock import Clock, Instant
from ringfence_kit.events import Bookmark, Event, Revision
from ringfence_kit.watch import EventHub

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing(Generic[T]):
    """A resource that was there when the watch began."""

    resource: T
    revision: Revision
    """Of the state, the same for all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateComplete:
    """All resources that were there have been sent."""

    revision: Revision
    at: Instant


StateWatchItem: TypeAlias = Standing[T] | StateComplete | Event | Bookmark


async def watch_state(
    hub: EventHub,
    *,
    clock: Clock,
    standing: Callable[[], Iterable[T]] | None,
    start_revision: Revision | None,
    want: Callable[[Event], bool],
) -> AsyncGenerator[StateWatchItem[T], None]:
    """Yield the state, when `standing` gives it, and then the wanted events until closed.

    `standing` returns what is there at the moment of the call, whatever happens while it is read. `start_revision` is
    the first revision wanted; None means from now on. Raises what `EventHub.watch` raises.
    """
    seen = hub.newest
    if standing is not None:
        for resource in standing():
            yield Standing(resource=resource, revision=seen)
        yield StateComplete(revision=seen, at=clock.now())
    elif start_revision is not None:
        seen = Revision(start_revision - 1)
    else:
        yield Bookmark(revision=seen, at=clock.now())
    async with aclosing(hub.watch(seen, want=want)) as items:
        async for item in items:
            yield item
