"""What happened, in one order: every change of a service's data is an event with a gap-free revision.

- revisions count 1, 2, 3 … over the whole store; revision 0 is the empty store;
- an event holds the whole record after the change, and for DELETED the last one before it;
- a live event is one object shared by all watchers, so `once` makes its wire form a single time.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NewType, TypeAlias, TypeVar, cast

from ringfence_kit.clock import Instant

T = TypeVar("T")

Revision = NewType("Revision", int)
"""A point in a store's history: the number of events up to and with it."""

EMPTY = Revision(0)


class Change(enum.Enum):
    """What an event did to the record it names. The values are stored; they never change."""

    ADDED = 1
    MODIFIED = 2
    DELETED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of one record."""

    revision: Revision
    change: Change
    kind: str
    """The service's word for the type of record: `agent`, `bundle`."""
    name: str
    """The record's resource name."""
    record: bytes
    """The record in the service's own stored form, see `records`."""
    at: Instant
    actor: str
    """The principal whose call made the change."""
    _made: dict[object, object] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, make: Callable[["Event"], T]) -> T:
        """Return `make(self)`, computed by the first watcher that asks and kept with the event for the others.

        `make` is the key, so pass a function that lives as long as the face (a module's function, a bound method
        kept in an attribute), not a lambda made per stream.
        """
        if make not in self._made:
            self._made[make] = make(self)
        return cast("T", self._made[make])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """A heartbeat: the watcher has been given everything it wants up to and with `revision`."""

    revision: Revision
    at: Instant


WatchItem: TypeAlias = Event | Bookmark
