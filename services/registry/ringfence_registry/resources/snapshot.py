"""Every resource of one kind as it stands now, in memory: what reads are answered from, changed by nothing but events.

- The event loop owns it: `apply` and `page` run to their end without yielding, so nobody sees half a change.
- A page costs a bounded amount of work whatever the filter, and may end early, even empty, with a cursor (AIP-158).
- A cursor is a name: what comes while a walk is under way is seen or not; everything else is seen exactly once.
"""

import bisect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ringfence_kit import records
from ringfence_kit.events import Change, Event

PAGE_WORK = 5_000
"""Resources one page may look at: some tens of milliseconds at most."""
PAGE_BYTES = 2_000_000
"""Stored bytes one page may hold: gRPC clients refuse messages over 4 MiB."""


class Named(Protocol):
    """A resource with a name."""

    @property
    def name(self) -> object:
        """Its resource name, as text."""
        ...


T = TypeVar("T", bound=Named)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some resources in the order of their names."""

    resources: tuple[T, ...]
    cursor: str
    """The last name looked at; empty when nothing follows this page."""


class ResourceSnapshot(Generic[T]):
    """The resources whose events are of one kind."""

    def __init__(self, kind: str, record: type[T], *, page_work: int = PAGE_WORK, page_bytes: int = PAGE_BYTES) -> None:
        self.kind = kind
        """Of the events."""
        self._record = record
        self._entries: dict[str, tuple[T, int]] = {}
        """By name, with the size of the stored record."""
        self._names: list[str] = []
        self.changes = 0
        """How many events it took: while that is the same, so is everything here."""
        self._page_work = page_work
        self._page_bytes = page_bytes

    def fill(self, resources: Iterable[T]) -> None:
        """Take what the store was loaded with. Once, first."""
        self._entries = {str(each.name): (each, len(records.encode(each))) for each in resources}
        self._names = sorted(self._entries)
        self.changes += 1

    def apply(self, event: Event) -> None:
        """Take one committed event, of any kind; the hub calls this in revision order, each revision once."""
        if event.kind != self.kind:
            return
        self.changes += 1
        known = event.name in self._entries
        if event.change is Change.DELETED:
            if known:
                del self._entries[event.name]
                del self._names[bisect.bisect_left(self._names, event.name)]
            return
        if not known:
            bisect.insort(self._names, event.name)
        self._entries[event.name] = records.decode(event.record, self._record), len(event.record)

    def get(self, name: object) -> T | None:
        """Return the resource called `name`, or None."""
        entry = self._entries.get(str(name))
        return None if entry is None else entry[0]

    def within(self, prefix: str = "") -> tuple[T, ...]:
        """Return every resource whose name starts with `prefix`, by name."""
        return tuple(self._entries[name][0] for name in self._names[self._range(prefix, "")])

    def page(self, matches: Callable[[T], bool], *, prefix: str, after: str, limit: int) -> Page[T]:
        """Return up to `limit` matching resources, of those whose name starts with `prefix` and follows `after`."""
        found: list[T] = []
        size, work, last = 0, self._page_work, after
        for name in self._names[self._range(prefix, after)]:
            resource, stored = self._entries[name]
            work -= 1
            if matches(resource):
                size += stored
                if len(found) == limit or (found and size > self._page_bytes):
                    return Page(tuple(found), last)
                found.append(resource)
            last = name
            if work <= 0:
                return Page(tuple(found), last)
        return Page(tuple(found), "")

    def _range(self, prefix: str, after: str) -> slice:
        # No name holds a character above "z", so this ends where the prefix does.
        start = max(bisect.bisect_left(self._names, prefix), bisect.bisect_right(self._names, after))
        return slice(start, max(start, bisect.bisect_left(self._names, prefix + "\x7f")))
