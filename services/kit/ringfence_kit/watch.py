"""Watches: every event, once, in order, from any kept revision, to any number of watchers.

The hub is where a service's history becomes its present, in this order for each committed group: the snapshot applies
the events, then watchers can see them, then the callers who made them get their answers. The rules:

- `publish` runs on the event loop and does not yield: whoever reads the snapshot sees a group whole or not at all;
- a watcher is a position in the history: from the store while far behind, from memory when close, the same events;
- a live watcher that falls out of memory is closed with `WatcherTooSlow`, which says where to resume;
- bookmarks are sent every heartbeat, and only after the store has confirmed that nothing newer is missing: a replica
  cut from its database falls silent, so its watchers can tell.
"""

from collections.abc import AsyncGenerator, Callable, Sequence

from ringfence_kit.clock import SECOND, Clock, Millis
from ringfence_kit.events import Event, Revision, WatchItem
from ringfence_kit.store import EventReader

BOOKMARK_EVERY = Millis(5 * SECOND)
EVENTS_IN_MEMORY = 16_384
BYTES_IN_MEMORY = 64 * 1024 * 1024


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

    def start(self, revision: Revision) -> None:
        """Begin at `revision`, the one the snapshot was loaded at. Before, `watch` raises `Unavailable`."""
        raise NotImplementedError

    @property
    def newest(self) -> Revision:
        """The revision the snapshot stands at."""
        raise NotImplementedError

    def watch(
        self, start_revision: Revision, *, want: Callable[[Event], bool] = everything
    ) -> AsyncGenerator[WatchItem, None]:
        """Yield the wanted events after `start_revision`, and bookmarks, until closed.

        `start_revision` is the last revision the watcher has seen: the one a list was read at, an event's or a
        bookmark's. For "from now on" pass `newest`; with initial state, send the snapshot first, in the same step.

        Raises `RevisionInFuture`, `RevisionCompacted` or `WatcherTooSlow`, all of them from the iteration.
        """
        raise NotImplementedError

    def publish(self, events: Sequence[Event]) -> None:
        """Apply and show `events`, in revision order; those already published are passed over. For writers only."""
        raise NotImplementedError
