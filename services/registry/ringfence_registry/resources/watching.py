"""Watching resources of one kind: the state as it is, then every change that the caller sees, each once."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Generic

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Clock
from ringfence_kit.events import Revision
from ringfence_kit.state_watch import StateWatchItem
from ringfence_kit.watch import EventHub

from ringfence_registry.namespaces.book import NamespaceBook
from ringfence_registry.namespaces.visible import Visible
from ringfence_registry.namespaces.watched import watch_seen
from ringfence_registry.resources.reading import T, prefix_of
from ringfence_registry.resources.snapshot import ResourceSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchQuery:
    """What somebody wants to hear of, and from when."""

    namespace: str | None
    """None means every namespace the caller sees."""
    start_revision: Revision | None
    """The first revision wanted; None means from now on."""
    send_initial_state: bool


class ResourceWatching(Generic[T]):
    """Answers watches of one kind of resource."""

    def __init__(
        self, snapshot: ResourceSnapshot[T], hub: EventHub, book: NamespaceBook, clock: Clock, *, collection: str
    ) -> None:
        """`collection` is the segment of the names before the id."""
        self._snapshot = snapshot
        self._hub = hub
        self._book = book
        self._clock = clock
        self._collection = collection

    def watch(self, wanted: WatchQuery, *, caller: Caller) -> AsyncGenerator[StateWatchItem[T], None]:
        """Yield what happens to them, until closed. Raises what `watch_seen` raises."""
        prefix = prefix_of(wanted.namespace, self._collection)

        def standing(visible: Visible) -> list[T]:
            return [each for each in self._snapshot.within(prefix) if visible.sees(each.name.namespace)]

        return watch_seen(
            self._hub,
            self._book,
            caller=caller,
            clock=self._clock,
            namespace=wanted.namespace,
            standing=standing if wanted.send_initial_state else None,
            start_revision=wanted.start_revision,
            want=lambda event: event.kind == self._snapshot.kind,
        )
