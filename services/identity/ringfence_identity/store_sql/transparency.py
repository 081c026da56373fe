"""The log of mutations in SQL: entries and tiles by their places, two rows for what the log has come to."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from ringfence.proofs.merkle import Frontier
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Event
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.log_tiles import TileId
from ringfence_kit.sql import Database

from ringfence_identity.store.transparency import LogEntry, LogView
from ringfence_identity.tables import log_entries, log_heads, log_tiles
from ringfence_identity.transparency.log import Growth, grow

T = TypeVar("T")

TREE = "tree"
CHECKPOINT = "checkpoint"
"""The rows of `log_heads`."""


class SqlLogTx:
    """A `LogTx` on a connection; each method's contract stands there."""

    connection: sa.Connection

    def log_tree(self) -> Frontier:
        """See `LogView`."""
        record = self._head(TREE)
        return Frontier() if record is None else records.decode(record, Frontier)

    def log_tile(self, tile: TileId) -> bytes:
        """See `LogView`."""
        query = sa.select(log_tiles.c.hashes).where(log_tiles.c.level == tile.level, log_tiles.c.position == tile.index)
        hashes: bytes | None = self.connection.scalar(query)
        return hashes or b""

    def log_checkpoint(self) -> StoredCheckpoint | None:
        """See `LogView`."""
        record = self._head(CHECKPOINT)
        return None if record is None else records.decode(record, StoredCheckpoint)

    def last_log_entry(self) -> LogEntry | None:
        """See `LogView`."""
        query = sa.select(log_entries).order_by(log_entries.c.position.desc()).limit(1)
        row = self.connection.execute(query).one_or_none()
        return None if row is None else _entry(row)

    def put_log_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """See `LogTx`."""
        self._put(log_heads, {"name": CHECKPOINT}, {"record": records.encode(checkpoint)})

    def _head(self, name: str) -> bytes | None:
        return self.connection.scalar(sa.select(log_heads.c.record).where(log_heads.c.name == name))

    def _put(self, table: sa.Table, key: dict[str, Any], values: dict[str, Any]) -> None:
        same = sa.and_(*(table.c[column] == value for column, value in key.items()))
        if self.connection.execute(sa.update(table).where(same).values(values)).rowcount == 0:
            self.connection.execute(sa.insert(table).values(**key, **values))


class SqlLog(SqlLogTx):
    """The log on a connection by itself: for reading it, and for what follows a transaction's events."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def append(self, growth: Growth) -> None:
        """Store what is added."""
        rows = [
            {"position": each.index, "subject": each.subject, "appended_at": each.appended_at, "body": each.body}
            for each in growth.entries
        ]
        self.connection.execute(sa.insert(log_entries), rows)
        for tile, hashes in growth.tiles.items():
            self._put(log_tiles, {"level": tile.level, "position": tile.index}, {"hashes": hashes})
        self._put(log_heads, {"name": TREE}, {"record": records.encode(growth.tree)})


class SqlEventLog:
    """Appends the events of a transaction to the log: what a `SqlWriter` calls."""

    def __init__(self, keys: LogKeys) -> None:
        self._keys = keys

    def __call__(self, connection: sa.Connection, events: Sequence[Event]) -> None:
        """Append `events`."""
        log = SqlLog(connection)
        log.append(grow(log, events, self._keys.in_the_log))


class SqlLogStore:
    """A `LogStore` on a database."""

    _database: Database

    async def with_log(self, look: Callable[[LogView], T]) -> T:
        """See `LogStore`."""
        return await self._database.read(lambda connection: look(SqlLog(connection)))

    async def log_entries(self, *, start: int, limit: int, subject: str = "") -> Sequence[LogEntry]:
        """See `LogStore`."""
        query = sa.select(log_entries).where(log_entries.c.position >= start)
        if subject:
            query = query.where(log_entries.c.subject == subject)
        query = query.order_by(log_entries.c.position).limit(limit)
        return await self._database.read(lambda connection: [_entry(row) for row in connection.execute(query)])


def _entry(row: sa.Row[Any]) -> LogEntry:
    return LogEntry(index=row.position, subject=row.subject, body=row.body, appended_at=Instant(row.appended_at))
