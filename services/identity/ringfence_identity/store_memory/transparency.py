"""The log of mutations in memory, with the contract of the SQL one."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ringfence.proofs.merkle import Frontier
from ringfence_kit.events import Event
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.log_tiles import TileId
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable

from ringfence_identity.store.transparency import LogEntry, LogView
from ringfence_identity.transparency.log import grow

T = TypeVar("T")

ENTRIES: MemoryTable[int, LogEntry] = MemoryTable("log_entries")
TILES: MemoryTable[TileId, bytes] = MemoryTable("log_tiles")
TREE: MemoryTable[str, Frontier] = MemoryTable("log_tree")
CHECKPOINT: MemoryTable[str, StoredCheckpoint] = MemoryTable("log_checkpoint")

_ONLY = ""
"""The key of a table with one row."""


class MemoryLogTx:
    """A `LogTx` on rows in memory; each method's contract stands there."""

    rows: MemoryRows

    def log_tree(self) -> Frontier:
        """See `LogView`."""
        return self.rows.table(TREE).get(_ONLY, Frontier())

    def log_tile(self, tile: TileId) -> bytes:
        """See `LogView`."""
        return self.rows.table(TILES).get(tile, b"")

    def log_checkpoint(self) -> StoredCheckpoint | None:
        """See `LogView`."""
        return self.rows.table(CHECKPOINT).get(_ONLY)

    def last_log_entry(self) -> LogEntry | None:
        """See `LogView`."""
        entries = self.rows.table(ENTRIES)
        return entries[max(entries)] if entries else None

    def put_log_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """See `LogTx`."""
        self.rows.table(CHECKPOINT)[_ONLY] = checkpoint


class MemoryLog(MemoryLogTx):
    """The log on rows by itself."""

    def __init__(self, rows: MemoryRows) -> None:
        self.rows = rows


class MemoryEventLog:
    """Appends the events of a transaction to the log: what a `MemoryWriter` calls."""

    def __init__(self, keys: LogKeys) -> None:
        self._keys = keys

    def __call__(self, rows: MemoryRows, events: Sequence[Event]) -> None:
        """Append `events`."""
        growth = grow(MemoryLog(rows), events, self._keys.in_the_log)
        rows.table(ENTRIES).update({entry.index: entry for entry in growth.entries})
        rows.table(TILES).update(growth.tiles)
        rows.table(TREE)[_ONLY] = growth.tree


class MemoryLogStore:
    """A `LogStore` on a database in memory."""

    _database: MemoryDatabase

    async def with_log(self, look: Callable[[LogView], T]) -> T:
        """See `LogStore`."""
        return await self._database.read(lambda rows: look(MemoryLog(rows)))

    async def log_entries(self, *, start: int, limit: int, subject: str = "") -> Sequence[LogEntry]:
        """See `LogStore`."""

        def page(rows: MemoryRows) -> list[LogEntry]:
            every = sorted(rows.table(ENTRIES).items())
            found = [entry for index, entry in every if index >= start and subject in ("", entry.subject)]
            return found[:limit]

        return await self._database.read(page)
