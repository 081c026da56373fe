"""The `events` table: appended by the writer, read by watches, its old end forgotten."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar

import sqlalchemy as sa

from ringfence_kit.clock import Instant
from ringfence_kit.errors import RevisionCompacted
from ringfence_kit.events import Change, Event, Revision
from ringfence_kit.sql_statements import Bound, Statement
from ringfence_kit.sql_tables import events, store_state
from ringfence_kit.store import StorageFault

T = TypeVar("T")

CHANNEL = "ringfence_events"
"""Where PostgreSQL tells the other replicas of a commit; the payload is its newest revision."""

COMPACTED_AT_ONCE = 1_000
"""How many events one transaction forgets, so that writes do not wait long behind it."""

_LOCK = Statement(sa.select(store_state.c.revision).with_for_update())
_ADD = Statement(sa.insert(events))
_MOVE_TO = Statement(sa.update(store_state), sets=("revision",))


class Reads(Protocol):
    """Runs a look at the database in one snapshot transaction."""

    def __call__(self, look: Callable[[sa.Connection], T], /) -> Awaitable[T]:
        """See `Database.read`."""
        ...


class SqlEvents:
    """An `EventReader` over the table."""

    def __init__(self, read: Reads) -> None:
        self._read = read

    async def newest(self) -> Revision:
        """Return the revision of the newest event."""
        return await self._read(newest_revision)

    async def read(self, after: Revision, limit: int) -> Sequence[Event]:
        """Return up to `limit` events after revision `after`."""
        return await self._read(lambda connection: events_after(connection, after, limit))


def newest_revision(connection: sa.Connection) -> Revision:
    """Return the revision of the newest event."""
    return Revision(connection.execute(sa.select(store_state.c.revision)).scalar_one())


def lock_revision(connection: sa.Connection) -> Revision:
    """Return the newest revision and keep every other writer waiting until this transaction ends."""
    return Revision(_LOCK.scalar(connection))


def events_after(connection: sa.Connection, after: Revision, limit: int | None = None) -> Sequence[Event]:
    """Return up to `limit` events after `after`, proven to be without a gap."""
    compacted = connection.execute(sa.select(store_state.c.compacted_revision)).scalar_one()
    if after < compacted:
        raise RevisionCompacted(requested=after + 1, oldest=compacted + 1)
    query = sa.select(events).where(events.c.revision > after).order_by(events.c.revision).limit(limit)
    found = [
        Event(
            revision=Revision(row.revision),
            change=Change(row.change),
            kind=row.kind,
            name=row.name,
            record=row.record,
            at=Instant(row.at),
            actor=row.actor,
        )
        for row in connection.execute(query)
    ]
    if found and found[-1].revision - after != len(found):
        raise StorageFault(f"events between revisions {after} and {found[-1].revision} are missing from the database")
    return found


def append_events(connection: sa.Connection, added: Iterable[Event]) -> None:
    """Store `added`, move the state row to the last of them, and tell the other replicas at the commit."""
    rows: list[dict[str, Bound]] = [
        {
            "revision": event.revision,
            "change": event.change.value,
            "kind": event.kind,
            "name": event.name,
            "record": event.record,
            "at": event.at,
            "actor": event.actor,
        }
        for event in added
    ]
    if not rows:
        return
    newest = rows[-1]["revision"]
    _ADD.change_each(connection, rows)
    _MOVE_TO.change(connection, revision=newest)
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, str(newest))))


def compact_events(connection: sa.Connection, keep: int) -> tuple[Revision, bool]:
    """Forget some of what lies before the newest `keep` events; return how far that is now, and whether it is done."""
    state = connection.execute(sa.select(store_state.c.revision, store_state.c.compacted_revision)).one()
    goal = max(state.compacted_revision, state.revision - keep)
    until = min(goal, state.compacted_revision + COMPACTED_AT_ONCE)
    if until > state.compacted_revision:
        connection.execute(sa.delete(events).where(events.c.revision <= until))
        connection.execute(sa.update(store_state).values(compacted_revision=until))
    return Revision(until), until == goal
