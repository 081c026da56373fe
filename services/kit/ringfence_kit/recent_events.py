"""The newest events, in memory, shared by all watchers.

Bounded by count and by bytes, except that what was published last is kept whole: a watcher that was up to date can
always have it, however large it is.
"""

from collections.abc import Sequence
from itertools import accumulate

from ringfence_kit.events import Event, Revision


class RecentEvents:
    """A run of events without a gap, the oldest forgotten first."""

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._events: list[Event] = []
        self._bytes = 0

    def clear(self) -> None:
        """Forget everything."""
        self._events.clear()
        self._bytes = 0

    def extend(self, events: Sequence[Event]) -> None:
        """Add `events`, which follow the newest one held."""
        self._events.extend(events)
        self._bytes += sum(map(_size, events))
        self._forget(at_most=len(self._events) - len(events))

    def after(self, revision: Revision, limit: int) -> Sequence[Event] | None:
        """Return up to `limit` events after `revision`, or None when some of them are forgotten."""
        if not self._events or revision + 1 < self._events[0].revision:
            return None
        start = revision + 1 - self._events[0].revision
        return self._events[start : start + limit]

    def _forget(self, *, at_most: int) -> None:
        too_many = len(self._events) - self._max_events
        too_large = self._bytes - self._max_bytes
        count, freed = 0, 0
        for total in accumulate(map(_size, self._events[:at_most])) if too_many > 0 or too_large > 0 else ():
            if count >= too_many and freed >= too_large:
                break
            count, freed = count + 1, total
        del self._events[:count]
        self._bytes -= freed


def _size(event: Event) -> int:
    return len(event.record)
