"""The audit log in memory, with the contract of the SQL one."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from ringfence.proofs.cosignature import with_signatures
from ringfence_kit.events import Event
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.log_tiles import TileId, TileReader
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable

from ringfence_telemetry.audit_trail import append_changes
from ringfence_telemetry.store.audit import StoredCosignature, StoredEntry

T = TypeVar("T")

ENTRIES: MemoryTable[int, StoredEntry] = MemoryTable("audit_entries")
ENTRY_KEYS: MemoryTable[str, int] = MemoryTable("audit_entry_keys")
TILES: MemoryTable[TileId, bytes] = MemoryTable("audit_tiles")
CHECKPOINTS: MemoryTable[int, StoredCheckpoint] = MemoryTable("audit_checkpoints")
COSIGNATURES: MemoryTable[tuple[int, str], StoredCosignature] = MemoryTable("audit_cosignatures")


class MemoryAuditLogTx:
    """An `AuditLogTx` on rows in memory; each method's contract stands there."""

    rows: MemoryRows

    def checkpoint(self) -> StoredCheckpoint | None:
        """See `AuditLogTx`."""
        return _checkpoint(self.rows)

    def entries_of(self, keys: Collection[str]) -> Mapping[str, StoredEntry]:
        """See `AuditLogTx`."""
        entries, indexes = self.rows.table(ENTRIES), self.rows.table(ENTRY_KEYS)
        return {key: entries[indexes[key]] for key in keys if key in indexes}

    def tile(self, tile: TileId) -> bytes:
        """See `AuditLogTx`."""
        return self.rows.table(TILES).get(tile, b"")

    def append_entries(
        self, entries: Sequence[StoredEntry], tiles: Mapping[TileId, bytes], checkpoint: StoredCheckpoint
    ) -> None:
        """See `AuditLogTx`."""
        self.rows.table(ENTRIES).update({entry.index: entry for entry in entries})
        self.rows.table(ENTRY_KEYS).update({entry.key: entry.index for entry in entries})
        self.rows.table(TILES).update(tiles)
        self.rows.table(CHECKPOINTS)[checkpoint.frontier.size] = checkpoint

    def keep_cosignature(self, cosignature: StoredCosignature) -> None:
        """See `AuditLogTx`."""
        self.rows.table(COSIGNATURES).setdefault((cosignature.size, cosignature.witness), cosignature)


class MemoryAuditLog(MemoryAuditLogTx):
    """The log on rows by itself."""

    def __init__(self, rows: MemoryRows) -> None:
        self.rows = rows


class MemoryAuditTrail:
    """Appends what the events of a transaction say was changed: what a `MemoryWriter` calls."""

    def __init__(self, keys: LogKeys) -> None:
        self._keys = keys

    def __call__(self, rows: MemoryRows, events: Sequence[Event]) -> None:
        """Append `events`."""
        append_changes(MemoryAuditLog(rows), events, keys=self._keys)


class MemoryAuditLogStore:
    """An `AuditLogStore` in memory; each method's contract stands there."""

    _database: MemoryDatabase

    async def checkpoint(self) -> StoredCheckpoint | None:
        """See `AuditLogStore`."""
        return await self._database.read(lambda rows: _cosigned(rows, _checkpoint(rows)))

    async def checkpoint_up_to(self, size: int) -> StoredCheckpoint | None:
        """See `AuditLogStore`."""
        return await self._database.read(lambda rows: _cosigned(rows, _checkpoint(rows, size)))

    async def cosigned_size(self, *, witnesses: Collection[str], least: int) -> int | None:
        """See `AuditLogStore`."""
        behind = Counter(each.size for each in await self._every_cosignature() if each.witness in witnesses)
        return max((size for size, count in behind.items() if count >= least), default=None)

    async def last_cosignatures(self) -> Sequence[StoredCosignature]:
        """See `AuditLogStore`."""
        newest = {each.witness: each for each in sorted(await self._every_cosignature(), key=lambda each: each.size)}
        return [newest[witness] for witness in sorted(newest)]

    async def entry(self, index: int) -> StoredEntry | None:
        """See `AuditLogStore`."""
        return await self._database.read(lambda rows: rows.table(ENTRIES).get(index))

    async def entry_of(self, key: str) -> StoredEntry | None:
        """See `AuditLogStore`."""
        return await self._database.read(lambda rows: rows.table(ENTRIES).get(rows.table(ENTRY_KEYS).get(key, -1)))

    async def entries(self, *, start: int, limit: int) -> Sequence[StoredEntry]:
        """See `AuditLogStore`."""
        return await self._database.read(
            lambda rows: [entry for index, entry in sorted(rows.table(ENTRIES).items()) if index >= start][:limit]
        )

    async def with_tiles(self, look: Callable[[TileReader, StoredCheckpoint | None], T]) -> T:
        """See `AuditLogStore`."""
        return await self._database.read(
            lambda rows: look(lambda tile: rows.table(TILES).get(tile, b""), _cosigned(rows, _checkpoint(rows)))
        )

    async def _every_cosignature(self) -> list[StoredCosignature]:
        return await self._database.read(lambda rows: list(rows.table(COSIGNATURES).values()))


def _cosigned(rows: MemoryRows, checkpoint: StoredCheckpoint | None) -> StoredCheckpoint | None:
    """Return a checkpoint with what witnesses put beneath it."""
    if checkpoint is None:
        return None
    size = checkpoint.frontier.size
    found = [each for each in rows.table(COSIGNATURES).values() if each.size == size]
    lines = [each.line for each in sorted(found, key=lambda each: (each.at, each.witness))]
    return replace(checkpoint, note=with_signatures(checkpoint.note, lines)) if lines else checkpoint


def _checkpoint(rows: MemoryRows, at_most: int | None = None) -> StoredCheckpoint | None:
    checkpoints = rows.table(CHECKPOINTS)
    sizes = [size for size in checkpoints if at_most is None or size <= at_most]
    return checkpoints[max(sizes)] if sizes else None
