"""The stream of what happens to alerts: every event once, in order, from any number that is kept.

Revisions belong to everything the service records, so alerts have a hub of their own, in which an event's revision is
its sequence number. The hub of the service hands on what it publishes; what is older is read from the rows.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from ringfence_kit import records
from ringfence_kit.background import background
from ringfence_kit.clock import Clock
from ringfence_kit.events import Bookmark, Change, Event, Revision
from ringfence_kit.watch import EVENTS_IN_MEMORY, EventHub

from ringfence_telemetry.alerts.alert import ALERT, Alert, AlertEvent
from ringfence_telemetry.store.alerts import AlertStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An alert that fired when the watch began."""

    alert: Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class NextSequence:
    """The number to go on from."""

    sequence: int


AlertItem: TypeAlias = Standing | Event | NextSequence
"""What a watcher hears; an event is one object for all watchers, see `event_of`."""


class AlertFeed:
    """Feeds the watchers of alerts in one process."""

    def __init__(self, store: AlertStore, *, clock: Clock, events_in_memory: int = EVENTS_IN_MEMORY) -> None:
        self._store = store
        self._hub = EventHub(_History(store), clock=clock, apply=_nothing, events_in_memory=events_in_memory)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve watchers as long as the block lasts. To be entered when the hub of the service has started."""
        self._hub.start(Revision(await self._store.newest_alert_sequence()))
        try:
            async with background(self._hub.beat(), self._hub.until_broken()):
                yield
        finally:
            self._hub.close()

    def apply(self, event: Event) -> None:
        """Take an event of an alert from the hub of the service."""
        if self._hub.started:
            self._hub.publish([_numbered(records.decode(event.record, AlertEvent), event.record)])

    async def watch(
        self, *, from_sequence: int | None, send_firing: bool, want: Callable[[Alert], bool], silenced: bool
    ) -> AsyncGenerator[AlertItem, None]:
        """Yield what is asked for until closed; None begins now, and says which number that is.

        Raises what `EventHub.watch` raises, with sequence numbers for revisions.
        """
        seen = self._hub.newest if from_sequence is None else Revision(from_sequence - 1)
        if send_firing:
            firing = await self._store.alerts_firing()
            seen = Revision(firing.sequence)
            for alert in firing.alerts:
                if want(alert) and (silenced or not alert.silence):
                    yield Standing(alert=alert)
        if from_sequence is None:
            yield NextSequence(sequence=seen + 1)

        def wanted(event: Event) -> bool:
            happened = event_of(event)
            return (silenced or happened.audible) and want(happened.alert)

        async with aclosing(self._hub.watch(seen, want=wanted)) as items:
            async for item in items:
                yield NextSequence(sequence=item.revision + 1) if isinstance(item, Bookmark) else item


def event_of(event: Event) -> AlertEvent:
    """Return what an event of the feed says, read once for all watchers."""
    return event.once(_decoded)


class _History:
    """An `EventReader` over the rows."""

    def __init__(self, store: AlertStore) -> None:
        self._store = store

    async def newest(self) -> Revision:
        return Revision(await self._store.newest_alert_sequence())

    async def read(self, after: Revision, limit: int) -> Sequence[Event]:
        found = await self._store.alert_events(after=after, limit=limit)
        return [_numbered(event, records.encode(event)) for event in found]


def _numbered(event: AlertEvent, record: bytes) -> Event:
    return Event(
        revision=Revision(event.sequence),
        change=Change.ADDED if event.sequence == event.alert.number else Change.MODIFIED,
        kind=ALERT,
        name=event.alert.name,
        record=record,
        at=event.at,
        actor="",
    )


def _decoded(event: Event) -> AlertEvent:
    return records.decode(event.record, AlertEvent)


def _nothing(_event: Event) -> None:
    """Nothing of alerts is kept in memory."""
