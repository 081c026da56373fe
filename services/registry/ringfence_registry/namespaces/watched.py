"""A watch that shows only what its caller sees, and does not outlive what the caller saw.

- An event is shown when its namespace is seen at the moment it is sent, whenever it happened.
- When what the caller sees changes, the stream ends with REVISION_COMPACTED before anything else is sent: what it was
  shown before and what it would be shown now are two states, and only a new state joins them. Who follows a watch with
  `ringfence.watch` begins anew by itself and then lacks, or has, what changed hands.
- A stream that is resumed behind such a change ends at it likewise, because the change is an event among the others.
- A change that takes nothing from the caller and gives it nothing is not noticed, whatever it did to others.
"""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import TypeVar

from ringfence_kit import records
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Clock
from ringfence_kit.errors import RevisionCompacted
from ringfence_kit.events import Event, Revision
from ringfence_kit.state_watch import StateWatchItem, watch_state
from ringfence_kit.watch import EventHub

from ringfence_registry.access import require_sight
from ringfence_registry.namespaces.book import NamespaceBook
from ringfence_registry.namespaces.model import NAMESPACE, Namespace
from ringfence_registry.namespaces.visible import Visible

T = TypeVar("T")

_WHY = "led to another state than the present one, because what this caller sees has changed,"


async def watch_seen(
    hub: EventHub,
    book: NamespaceBook,
    *,
    caller: Caller,
    clock: Clock,
    namespace: str | None,
    standing: Callable[[Visible], Iterable[T]] | None,
    start_revision: Revision | None,
    want: Callable[[Event], bool],
) -> AsyncGenerator[StateWatchItem[T], None]:
    """Yield what `ringfence_kit.state_watch.watch_state` yields, as far as `caller` sees it, until closed.

    `namespace` is the one to watch, None for every one; `standing` returns what is there of what is seen. Raises
    `NotPermitted` at once when the caller does not see the namespace, `RevisionCompacted` as said above, and what
    `watch_state` raises.
    """
    visible = book.visible(caller)
    if namespace is not None:
        require_sight(caller, visible, namespace)

    def wanted(event: Event) -> bool:
        about = namespace_in(event.name)
        if event.kind == NAMESPACE:
            return namespace in (None, about)
        return namespace in (None, about) and visible.sees(about) and want(event)

    items = watch_state(
        hub,
        clock=clock,
        standing=None if standing is None else lambda: standing(visible),
        start_revision=start_revision,
        want=wanted,
    )
    async with aclosing(items):
        async for item in items:
            changed = isinstance(item, Event) and item.kind == NAMESPACE and _changed_hands(item, caller, book)
            if changed or not _same(visible, book.visible(caller), namespace):
                at = item.revision
                raise RevisionCompacted(requested=at, oldest=at + 1, why=_WHY)
            if not (isinstance(item, Event) and item.kind == NAMESPACE):
                yield item


def namespace_in(name: str) -> str:
    """Return the id of the namespace a resource name begins with."""
    return name.split("/", 2)[1]


def _same(before: Visible, now: Visible, namespace: str | None) -> bool:
    return before == now if namespace is None else before.sees(namespace) is now.sees(namespace)


def _changed_hands(event: Event, caller: Caller, book: NamespaceBook) -> bool:
    """Say whether a change of a namespace gave it to the caller, or took it away."""
    namespace = records.decode(event.record, Namespace)
    return book.sees_with(caller, namespace.id, namespace.seen_before) is not book.sees_with(
        caller, namespace.id, namespace.audience(book.defaults.visibility)
    )
