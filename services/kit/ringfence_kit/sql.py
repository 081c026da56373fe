"""A service's database: SQLite or PostgreSQL, opened once, migrated, and read from threads.

- one process owns a SQLite file: a second one is refused with a sentence (`DataInUse`);
- a PostgreSQL database may be shared by replicas of one service, and by no other service;
- reads run in a few threads on their own connections, each in one read-only snapshot transaction;
- writes go through `SqlWriter`, and nowhere else.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

import sqlalchemy as sa

from ringfence_kit.events import Change, Revision
from ringfence_kit.store import EventReader, Recorder

T = TypeVar("T")


class Database:
    """A database, open and migrated inside `async with`.

    `url` is `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://…`; the SQLite file and its folder are
    made when missing, readable by the owner only. `migrations` is the service's `migrations/versions` folder.

    Entering raises `StorageRefused` with a sentence when the data is in use, newer than the code, or another
    service's. Constructing opens nothing, so a composition root can build on a database that is not there yet.
    """

    events: EventReader
    """The stored events."""

    def __init__(self, url: str, *, service: str, migrations: Path) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(self, *exc_info: object) -> None:
        raise NotImplementedError

    def page_key(self) -> bytes:
        """Return the key of this service's page tokens: made with the database, the same for every replica."""
        raise NotImplementedError

    async def read(self, look: Callable[[sa.Connection], T]) -> T:
        """Run `look` in a thread on a read-only connection that sees one committed state, and return its result.

        For what the snapshot does not hold (history, listings past it). `look` returns plain values, no live result.
        """
        raise NotImplementedError

    async def load(self, look: Callable[[sa.Connection], T]) -> tuple[Revision, T]:
        """Like `read`, with the revision of the state that `look` saw: where a snapshot starts."""
        raise NotImplementedError


class SqlTx:
    """What a service's SQL transaction is built on: `class SqlAgentTx(SqlTx)` adds the reads and writes of its rows."""

    def __init__(self, connection: sa.Connection, log: Recorder) -> None:
        self.connection = connection
        self._log = log

    @property
    def next_revision(self) -> Revision:
        """The revision the next `record` will get."""
        return self._log.next_revision

    def record(self, change: Change, kind: str, name: str, record: bytes) -> Revision:
        """Append an event to this transaction and return its revision."""
        return self._log.record(change, kind, name, record)
