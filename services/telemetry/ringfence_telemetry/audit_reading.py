"""Reading the audit log: entries, the newest head, and proofs made from the tiles."""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.proofs.merkle import DIGEST_SIZE, Digest, consistency_proof, inclusion_proof
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_kit.log_tiles import HEIGHT, WIDTH, TileId, TileReader, subtrees_of

from ringfence_telemetry.audit_log import decision_key
from ringfence_telemetry.errors import CheckpointNotFound, EntryNotFound, TileNotFound, TreeSizeOutOfRange
from ringfence_telemetry.store import StoredEntry, TelemetryStore

PAGE_BYTES = 2 * 2**20
"""Of bodies in a page: gRPC clients refuse answers over 4 MiB unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryKey:
    """Which entry: its index, or the decision it is about."""

    index: int = -1
    decision_id: str = ""

    def __str__(self) -> str:
        return f"of decision {self.decision_id}" if self.decision_id else str(self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """That an entry is in the log of `tree_size` entries."""

    index: int
    leaf_hash: Digest
    hashes: Sequence[Digest]
    tree_size: int
    checkpoint: StoredCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Hashes of one level of the tree, as many as fit a tile or as there are."""

    hashes: bytes
    tree_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """That a smaller log is a prefix of the log of `second_tree_size` entries."""

    hashes: Sequence[Digest]
    second_tree_size: int
    checkpoint: StoredCheckpoint


class AuditReader:
    """Answers questions about the log. There is a head from the first start on."""

    def __init__(self, store: TelemetryStore) -> None:
        self._store = store

    async def entry(self, key: EntryKey) -> StoredEntry:
        """Return an entry. Raises EntryNotFound."""
        if key.decision_id:
            found = await self._store.entry_of(decision_key(key.decision_id))
        else:
            found = await self._store.entry(key.index)
        if found is None:
            raise EntryNotFound(key=str(key), size=(await self.checkpoint()).frontier.size)
        return found

    async def page(self, *, start: int, size: int) -> tuple[Sequence[StoredEntry], int | None]:
        """Return up to `size` entries from `start` on, in log order, and where the next page starts, if there is one.

        A page ends early when its bodies have become large, so that an answer stays what clients accept.
        """
        found = await self._store.entries(start=start, limit=size + 1)
        page, room = list[StoredEntry](), PAGE_BYTES
        for entry in found[:size]:
            room -= len(entry.body)
            if page and room < 0:
                break
            page.append(entry)
        return page, found[len(page)].index if len(found) > len(page) else None

    async def checkpoint(self, *, at_most: int | None = None) -> StoredCheckpoint:
        """Return the newest head, or the newest of at most so many entries. Raises CheckpointNotFound."""
        if at_most is None:
            return _newest(await self._store.checkpoint())
        found = await self._store.checkpoint_up_to(at_most)
        if found is None:
            raise CheckpointNotFound(asked=f"at_most {at_most}")
        return found

    async def tile(self, tile: TileId) -> Tile:
        """Return a tile of the tree under the newest head (C2SP tlog-tiles). Raises TileNotFound."""

        def cut(tiles: TileReader, newest: StoredCheckpoint | None) -> Tile:
            size = _newest(newest).frontier.size
            width = min(WIDTH, (size >> (HEIGHT * tile.level)) - WIDTH * tile.index)
            if width <= 0:
                raise TileNotFound(level=tile.level, index=tile.index, tree_size=size)
            return Tile(hashes=tiles(tile)[: width * DIGEST_SIZE], tree_size=size)

        return await self._store.with_tiles(cut)

    async def prove_inclusion(self, key: EntryKey, *, tree_size: int) -> InclusionProof:
        """Prove an entry in the log of `tree_size` entries, 0 being the newest head's.

        Raises EntryNotFound, TreeSizeOutOfRange.
        """
        index = (await self.entry(key)).index if key.decision_id else key.index

        def prove(tiles: TileReader, newest: StoredCheckpoint | None) -> InclusionProof:
            head, subtree = _newest(newest), subtrees_of(tiles)
            if index >= head.frontier.size:
                raise EntryNotFound(key=str(key), size=head.frontier.size)
            size = _size("tree_size", tree_size, least=index + 1, most=head.frontier.size)
            return InclusionProof(
                index=index,
                leaf_hash=subtree(0, index),
                hashes=inclusion_proof(index, size, subtree),
                tree_size=size,
                checkpoint=head,
            )

        return await self._store.with_tiles(prove)

    async def prove_consistency(self, first: int, second: int) -> ConsistencyProof:
        """Prove that the log of `first` entries is a prefix of that of `second`, 0 being the newest head's.

        Raises TreeSizeOutOfRange.
        """

        def prove(tiles: TileReader, newest: StoredCheckpoint | None) -> ConsistencyProof:
            head = _newest(newest)
            size = _size("second_tree_size", second, least=0, most=head.frontier.size)
            if first > size:
                raise TreeSizeOutOfRange(field="first_tree_size", asked=first, least=0, most=size)
            hashes = consistency_proof(first, size, subtrees_of(tiles))
            return ConsistencyProof(hashes=hashes, second_tree_size=size, checkpoint=head)

        return await self._store.with_tiles(prove)


def _newest(checkpoint: StoredCheckpoint | None) -> StoredCheckpoint:
    if checkpoint is None:
        raise AssertionError("the log has a head from the first start on")
    return checkpoint


def _size(field: str, asked: int, *, least: int, most: int) -> int:
    size = asked or most
    if not least <= size <= most:
        raise TreeSizeOutOfRange(field=field, asked=asked, least=least, most=most)
    return size
