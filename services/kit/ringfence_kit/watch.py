"""Watches: every event, once, in order, from any kept revision, to any number of watchers.

The hub is where a service's history becomes its present, in this order for each committed group: the snapshot applies
the events, then watchers can see them, then the callers who made them get their answers. The rules:

- `publish` runs on the event loop and does not yield: whoever reads the snapshot sees a group whole or not at all;
- a watcher is a position in the history: from the store while far behind, from memory when close, the same events;
- a live watcher that falls out of memory is closed with `WatcherTooSlow`, which says where to resume;
- bookmarks are sent every heartbeat, and only after the store has confirmed that nothing newer is missing: a replica
  cut from its database falls silent, so its watchers can tell.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import structlog

from ringfence_kit.clock import EPOCH, SECOND, Clock, Millis
from ringfence_kit.errors import RevisionCompacted, RevisionInFuture, Unavailable, WatcherTooSlow
from ringfence_kit.events import EMPTY, Bookmark, Event, Revision, WatchItem
from ringfence_kit.recent_events import RecentEvents
from ringfence_kit.store import EventReader, StorageFault

BOOKMARK_EVERY = Millis(5 * SECOND)
EVENTS_IN_MEMORY = 16_384
BYTES_IN_MEMORY = 32 * 1024 * 1024

PAGE = 256
"""How many events are read, or handed to one watcher, in one go."""

STARTING = "it is starting"

_log = structlog.get_logger(__name__)


def everything(_event: Event) -> bool:
    """Want every event."""
    return True


class EventHub:
    """Feeds the snapshot and the watchers of one service in one process."""

    def __init__(
        self,
        events: EventReader,
        *,
        clock: Clock,
        apply: Callable[[Event], None],
        bookmark_every: Millis = BOOKMARK_EVERY,
        events_in_memory: int = EVENTS_IN_MEMORY,
        bytes_in_memory: int = BYTES_IN_MEMORY,
    ) -> None:
        """`apply` changes the snapshot by one event; it does not fail and does not wait."""
        self._events = events
        self._clock = clock
        self._apply = apply
        self._bookmark_every = bookmark_every
        self._recent = RecentEvents(max_events=events_in_memory, max_bytes=bytes_in_memory)
        self._newest = EMPTY
        self._closed: str | None = STARTING
        self._fault: StorageFault | None = None
        self._broken = asyncio.Event()
        self._news = asyncio.Event()
        self._beats = 0
        self._beat_at = EPOCH
        self._catching_up = asyncio.Lock()

    def start(self, revision: Revision) -> None:
        """Begin at `revision`, the one the snapshot was loaded at. Before, `watch` raises `Unavailable`."""
        self._newest = revision
        self._recent.clear()
        self._closed = None

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return self._closed != STARTING

    @property
    def newest(self) -> Revision:
        """The revision the snapshot stands at."""
        return self._newest

    async def watch(
        self, seen: Revision, *, want: Callable[[Event], bool] = everything
    ) -> AsyncGenerator[WatchItem, None]:
        """Yield the wanted events after revision `seen`, and bookmarks, until closed (`contextlib.aclosing`).

        `seen` is the last revision the watcher knows: the one a list was read at, an event's or a bookmark's, and one
        less than a request's `start_revision`. For "from now on" pass `newest`; for initial state, send the snapshot
        and pass `newest`, without an await between the two.

        Raises `RevisionInFuture`, `RevisionCompacted` or `WatcherTooSlow`, all of them from the iteration, and
        `Unavailable` when the service is starting or ending. They name the first revision wanted, as requests do: the
        last one seen plus one.
        """
        self._check_open()
        await self._check_exists(seen)
        position, beats, live = seen, self._beats, False
        while True:
            self._check_open()
            if position < self._newest:
                page = self._recent.after(position, PAGE)
                if page is None and live:
                    raise WatcherTooSlow(resume_revision=position + 1)
                live = page is not None
                for event in await self._stored(position) if page is None else page:
                    if want(event):
                        yield event
                    position = event.revision
            elif beats != self._beats:
                beats, live = self._beats, True
                yield Bookmark(revision=position, at=self._beat_at)
            else:
                live = True
                await self._news.wait()

    def publish(self, events: Sequence[Event]) -> None:
        """Apply and show `events`, in revision order; those already published are passed over. For writers only."""
        fresh = [event for event in events if event.revision > self._newest]
        for event in fresh:
            if event.revision != self._newest + 1:
                raise self.fail(f"event {event.revision} came after {self._newest}")
            try:
                self._apply(event)
            except Exception as error:
                raise self.fail(f"the snapshot could not take event {event.revision}") from error
            self._newest = event.revision
        if fresh:
            self._recent.extend(fresh)
            self._wake()

    async def catch_up(self) -> None:
        """Publish what the store has and the hub has not: another replica's events, or those of a lost answer."""
        async with self._catching_up:
            while True:
                shown = self._newest
                stored = await self._events.newest()
                if stored < shown:
                    raise self.fail(f"the database went back from revision {shown} to {stored}")
                if stored <= self._newest:
                    return
                try:
                    self.publish(await self._events.read(self._newest, PAGE))
                except RevisionCompacted as error:
                    raise self.fail("this replica fell behind the events that are kept") from error

    async def beat(self) -> None:
        """Send a bookmark every heartbeat, as long as the store answers. Runs until cancelled."""
        while True:
            await self._clock.sleep(self._bookmark_every)
            try:
                await self.catch_up()
            except Unavailable as error:
                _log.warning("heartbeat_withheld", problem=error.message)
                continue
            self._beats += 1
            self._beat_at = self._clock.now()
            self._wake()

    def fail(self, problem: str) -> StorageFault:
        """Give up: close every watch and end the block of the writer. Returns the fault for the caller to raise."""
        if self._fault is None:
            self._fault = StorageFault(f"{problem}; the service must load its data again")
            self._broken.set()
            self.close(problem)
        return self._fault

    async def until_broken(self) -> None:
        """Wait for `fail` and raise its fault."""
        await self._broken.wait()
        if self._fault is not None:
            raise self._fault

    def close(self, problem: str = "it is ending") -> None:
        """End every watch with `Unavailable`, now and from now on."""
        self._closed = problem
        self._wake()

    def _check_open(self) -> None:
        if self._closed is not None:
            raise Unavailable(problem=self._closed)

    async def _check_exists(self, revision: Revision) -> None:
        # A watcher that comes from another replica may be ahead of this one, yet not of the store.
        if revision > self._newest and revision > (newest := await self._events.newest()):
            raise RevisionInFuture(requested=revision + 1, newest=newest)

    async def _stored(self, after: Revision) -> Sequence[Event]:
        try:
            events = await self._events.read(after, PAGE)
        except StorageFault as fault:
            self.fail(str(fault))
            raise Unavailable(problem="its history is damaged") from fault
        # The store may be ahead of the snapshot; nobody sees an event before the snapshot has it.
        return [event for event in events if event.revision <= self._newest]

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
