"""The audit log in SQL."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa
from ringfence.proofs.cosignature import with_signatures
from ringfence.proofs.merkle import Digest
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Event
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.log_tiles import TileId, TileReader
from ringfence_kit.sql import Database
from ringfence_kit.sql_statements import Statement

from ringfence_telemetry.audit_trail import append_changes
from ringfence_telemetry.store.audit import StoredCosignature, StoredEntry
from ringfence_telemetry.store_sql.statements import batches, insert_into, replace_row, write_tuples
from ringfence_telemetry.tables.audit import audit_checkpoints, audit_cosignatures, audit_entries, audit_tiles

T = TypeVar("T")

_ADD_ENTRY = sa.insert(audit_entries)


class SqlAuditLogTx:
    """An `AuditLogTx` on a connection; each method's contract stands there."""

    connection: sa.Connection

    def checkpoint(self) -> StoredCheckpoint | None:
        """See `AuditLogTx`."""
        return _checkpoint(self.connection)

    def entries_of(self, keys: Collection[str]) -> Mapping[str, StoredEntry]:
        """See `AuditLogTx`."""
        found = {}
        for some in batches(keys):
            for row in self.connection.execute(sa.select(audit_entries).where(audit_entries.c.entry_key.in_(some))):
                found[row.entry_key] = _entry(row)
        return found

    def tile(self, tile: TileId) -> bytes:
        """See `AuditLogTx`."""
        return _tile(self.connection, tile)

    def append_entries(
        self, entries: Sequence[StoredEntry], tiles: Mapping[TileId, bytes], checkpoint: StoredCheckpoint
    ) -> None:
        """See `AuditLogTx`."""
        rows = [(entry.index, entry.key, entry.leaf_hash, entry.appended_at, entry.body) for entry in entries]
        if rows:
            write_tuples(self.connection, _ADD_ENTRY, rows)
        for tile, hashes in tiles.items():
            replace_row(self.connection, audit_tiles, {"level": tile.level, "position": tile.index, "hashes": hashes})
        replace_row(
            self.connection,
            audit_checkpoints,
            {"size": checkpoint.frontier.size, "record": records.encode(checkpoint)},
        )

    def keep_cosignature(self, cosignature: StoredCosignature) -> None:
        """See `AuditLogTx`."""
        row = {
            "size": cosignature.size,
            "witness": cosignature.witness,
            "line": cosignature.line,
            "added_at": cosignature.at,
        }
        self.connection.execute(insert_into(self.connection, audit_cosignatures).values(row).on_conflict_do_nothing())


class SqlAuditLog(SqlAuditLogTx):
    """The log on a connection by itself, for what follows a transaction's events."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection


class SqlAuditTrail:
    """Appends what the events of a transaction say was changed: what a `SqlWriter` calls."""

    def __init__(self, keys: LogKeys) -> None:
        self._keys = keys

    def __call__(self, connection: sa.Connection, events: Sequence[Event]) -> None:
        """Append `events`."""
        append_changes(SqlAuditLog(connection), events, keys=self._keys)


class SqlAuditLogStore:
    """An `AuditLogStore` on a database; each method's contract stands there."""

    _database: Database

    async def checkpoint(self) -> StoredCheckpoint | None:
        """See `AuditLogStore`."""
        return await self._database.read(lambda connection: _cosigned(connection, _checkpoint(connection)))

    async def checkpoint_up_to(self, size: int) -> StoredCheckpoint | None:
        """See `AuditLogStore`."""
        return await self._database.read(lambda connection: _cosigned(connection, _checkpoint(connection, size)))

    async def cosigned_size(self, *, witnesses: Collection[str], least: int) -> int | None:
        """See `AuditLogStore`."""
        query = (
            sa.select(audit_cosignatures.c.size)
            .where(audit_cosignatures.c.witness.in_(witnesses))
            .group_by(audit_cosignatures.c.size)
            .having(sa.func.count() >= least)
            .order_by(audit_cosignatures.c.size.desc())
            .limit(1)
        )
        size: int | None = await self._database.read(lambda connection: connection.scalar(query))
        return size

    async def last_cosignatures(self) -> Sequence[StoredCosignature]:
        """See `AuditLogStore`."""
        newest = (
            sa.select(audit_cosignatures.c.witness, sa.func.max(audit_cosignatures.c.size).label("size"))
            .group_by(audit_cosignatures.c.witness)
            .subquery()
        )
        query = (
            sa.select(audit_cosignatures)
            .join(
                newest,
                sa.and_(audit_cosignatures.c.witness == newest.c.witness, audit_cosignatures.c.size == newest.c.size),
            )
            .order_by(audit_cosignatures.c.witness)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            StoredCosignature(size=row.size, witness=row.witness, line=row.line, at=Instant(row.added_at))
            for row in rows
        ]

    async def entry(self, index: int) -> StoredEntry | None:
        """See `AuditLogStore`."""
        return await self._entry_where(audit_entries.c.position == index)

    async def entry_of(self, key: str) -> StoredEntry | None:
        """See `AuditLogStore`."""
        return await self._entry_where(audit_entries.c.entry_key == key)

    async def entries(self, *, start: int, limit: int) -> Sequence[StoredEntry]:
        """See `AuditLogStore`."""
        query = (
            sa.select(audit_entries)
            .where(audit_entries.c.position >= start)
            .order_by(audit_entries.c.position)
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_entry(row) for row in rows]

    async def with_tiles(self, look: Callable[[TileReader, StoredCheckpoint | None], T]) -> T:
        """See `AuditLogStore`."""
        return await self._database.read(
            lambda connection: look(
                lambda tile: _tile(connection, tile), _cosigned(connection, _checkpoint(connection))
            )
        )

    async def _entry_where(self, condition: sa.ColumnElement[bool]) -> StoredEntry | None:
        query = sa.select(audit_entries).where(condition)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else _entry(row)


_CHECKPOINT = Statement(
    sa.select(audit_checkpoints.c.record)
    .where(audit_checkpoints.c.size <= sa.bindparam("at_most"))
    .order_by(audit_checkpoints.c.size.desc())
    .limit(1)
)
_TILE = Statement(
    sa.select(audit_tiles.c.hashes).where(
        audit_tiles.c.level == sa.bindparam("of_level"), audit_tiles.c.position == sa.bindparam("at")
    )
)
_COSIGNED = Statement(
    sa.select(audit_cosignatures.c.size).where(audit_cosignatures.c.size == sa.bindparam("of_size")).limit(1)
)
_SIZE_MAX = 2**63 - 1


def _checkpoint(connection: sa.Connection, at_most: int = _SIZE_MAX) -> StoredCheckpoint | None:
    record = _CHECKPOINT.scalar(connection, at_most=at_most)
    return None if record is None else records.decode(record, StoredCheckpoint)


def _cosigned(connection: sa.Connection, checkpoint: StoredCheckpoint | None) -> StoredCheckpoint | None:
    """Return a checkpoint with what witnesses put beneath it."""
    if checkpoint is None or _COSIGNED.scalar(connection, of_size=checkpoint.frontier.size) is None:
        return checkpoint
    query = (
        sa.select(audit_cosignatures.c.line)
        .where(audit_cosignatures.c.size == checkpoint.frontier.size)
        .order_by(audit_cosignatures.c.added_at, audit_cosignatures.c.witness)
    )
    return replace(checkpoint, note=with_signatures(checkpoint.note, connection.scalars(query).all()))


def _tile(connection: sa.Connection, tile: TileId) -> bytes:
    hashes: bytes | None = _TILE.scalar(connection, of_level=tile.level, at=tile.index)
    return hashes or b""


def _entry(row: sa.Row[Any]) -> StoredEntry:
    return StoredEntry(
        index=row.position,
        key=row.entry_key,
        body=row.body,
        leaf_hash=Digest(row.leaf_hash),
        appended_at=Instant(row.appended_at),
    )
