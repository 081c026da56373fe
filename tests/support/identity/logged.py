"""The log of mutations over any store, with keys that are the same every run, and hands that tamper with it."""

from pathlib import Path

import sqlalchemy as sa
from ringfence.proofs.merkle import Digest, leaf_hash, verify_consistency, verify_inclusion
from ringfence.proofs.signed_note import Checkpoint, VerifierKey, parse_checkpoint, parse_note, verify_note
from ringfence_identity.registrars import PRINCIPAL
from ringfence_identity.store import IdentityTx
from ringfence_identity.store.transparency import LogEntry
from ringfence_identity.store_memory import MemoryIdentityTx
from ringfence_identity.store_memory.transparency import CHECKPOINT, ENTRIES, TILES
from ringfence_identity.store_sql import SqlIdentityTx
from ringfence_identity.tables import log_entries, log_heads, log_tiles
from ringfence_identity.transparency.checkpoints import Checkpoints
from ringfence_identity.transparency.log import SIGNING_KEYS, log_keys
from ringfence_identity.transparency.reading import TransparencyReader
from ringfence_kit.clock import EPOCH, Clock, ManualClock
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.log_tiles import TileId
from ringfence_kit.sealed_keys import FileKeyStore
from ringfence_kit.sealing import Seal
from support.identity.opened import OpenedIdentity

ORIGIN = "log.example/identity"


def open_log_keys(directory: Path, *, origin: str = ORIGIN, rotate: bool = False) -> LogKeys:
    """Return the keys kept in a directory; `rotate` makes a new signing key first."""
    store = FileKeyStore(directory / "keys", Seal.unsealed())
    if rotate:
        store.add_signer(SIGNING_KEYS, at=EPOCH)
    keys = log_keys(origin, own=PRINCIPAL)
    keys.open(store, at=EPOCH)
    return keys


def checkpoints_of(service: OpenedIdentity, keys: LogKeys, *, clock: Clock | None = None) -> Checkpoints:
    """Return what signs the log of an open service."""
    clock = clock or ManualClock()
    return Checkpoints(service.store, service.writer, service.hub, keys, principal=PRINCIPAL, clock=clock)


async def entries_of(service: OpenedIdentity) -> list[LogEntry]:
    """Return the whole log."""
    return list(await service.store.log_entries(start=0, limit=10_000))


def signed(checkpoint: StoredCheckpoint, keys: LogKeys) -> Checkpoint:
    """Return what a checkpoint says, once its signature has been verified."""
    note = parse_note(checkpoint.note)
    verify_note(note, VerifierKey.parse(keys.verifier_key))
    head = parse_checkpoint(note.text)
    assert head == Checkpoint(keys.origin, checkpoint.frontier.size, checkpoint.frontier.root())
    return head


async def prove_everything(service: OpenedIdentity, keys: LogKeys, *, indexes: range | None = None) -> Checkpoint:
    """Verify as an outsider that every entry is in the log that is signed; return what was signed."""
    reader = TransparencyReader(service.store, checkpoints_of(service, keys))
    head = signed(await reader.checkpoint(), keys)
    for entry in await entries_of(service):
        if indexes is None or entry.index in indexes:
            proof = await reader.prove_inclusion(entry.index, tree_size=0)
            assert proof.tree_size == head.size
            verify_inclusion(leaf_hash(entry.body), entry.index, head.size, list(proof.hashes), head.root)
    return head


async def prove_extension(service: OpenedIdentity, keys: LogKeys, first: Checkpoint) -> Checkpoint:
    """Verify as an outsider that the log begins with what it was; return what it is."""
    reader = TransparencyReader(service.store, checkpoints_of(service, keys))
    proof = await reader.prove_consistency(first.size, 0)
    head = signed(proof.checkpoint, keys)
    verify_consistency(first.size, first.root, head.size, head.root, [Digest(each) for each in proof.hashes])
    return head


def overwrite_tile(tx: IdentityTx, tile: TileId, hashes: bytes) -> None:
    """Put other hashes into a tile, as somebody with the database in hand can."""
    match tx:
        case MemoryIdentityTx():
            tx.rows.table(TILES)[tile] = hashes
        case SqlIdentityTx():
            here = sa.and_(log_tiles.c.level == tile.level, log_tiles.c.position == tile.index)
            tx.connection.execute(sa.update(log_tiles).where(here).values(hashes=hashes))


def drop_last_entry(tx: IdentityTx) -> None:
    """Take the last entry away."""
    last = tx.last_log_entry()
    assert last is not None
    match tx:
        case MemoryIdentityTx():
            del tx.rows.table(ENTRIES)[last.index]
        case SqlIdentityTx():
            tx.connection.execute(sa.delete(log_entries).where(log_entries.c.position == last.index))


def overwrite_entry(tx: IdentityTx, entry: LogEntry) -> None:
    """Put another entry in the place of the one there."""
    match tx:
        case MemoryIdentityTx():
            tx.rows.table(ENTRIES)[entry.index] = entry
        case SqlIdentityTx():
            here = log_entries.c.position == entry.index
            tx.connection.execute(sa.update(log_entries).where(here).values(body=entry.body))


def drop_checkpoint(tx: IdentityTx) -> None:
    """Take the signed checkpoint away."""
    match tx:
        case MemoryIdentityTx():
            tx.rows.table(CHECKPOINT).clear()
        case SqlIdentityTx():
            tx.connection.execute(sa.delete(log_heads).where(log_heads.c.name == "checkpoint"))
