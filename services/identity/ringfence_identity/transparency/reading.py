"""Reading the log: entries, the newest checkpoint, and proofs made from the tiles."""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.proofs.merkle import Digest, consistency_proof, inclusion_proof
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_kit.log_tiles import subtrees_of

from ringfence_identity.errors import LogEntryNotFound, TreeSizeOutOfRange
from ringfence_identity.store.transparency import LogEntry, LogStore, LogView
from ringfence_identity.transparency.checkpoints import Checkpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """That an entry is in the log of `tree_size` entries."""

    index: int
    leaf_hash: Digest
    hashes: Sequence[Digest]
    tree_size: int
    checkpoint: StoredCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """That a smaller log is a prefix of the log of `second_tree_size` entries."""

    hashes: Sequence[Digest]
    second_tree_size: int
    checkpoint: StoredCheckpoint


class TransparencyReader:
    """Answers questions about the log. What it shows is covered by a checkpoint."""

    def __init__(self, store: LogStore, checkpoints: Checkpoints) -> None:
        self._store = store
        self._checkpoints = checkpoints

    async def page(self, *, start: int, size: int, subject: str) -> tuple[Sequence[LogEntry], int | None]:
        """Return up to `size` entries from `start` on, about `subject` when there is one, and where the next begin."""
        found = await self._store.log_entries(start=start, limit=size + 1, subject=subject)
        return found[:size], found[size].index if len(found) > size else None

    async def checkpoint(self) -> StoredCheckpoint:
        """Return the newest checkpoint."""
        return await self._checkpoints.newest()

    async def prove_inclusion(self, index: int, *, tree_size: int) -> InclusionProof:
        """Prove an entry in the log of `tree_size` entries, 0 being the newest checkpoint's.

        Raises LogEntryNotFound, TreeSizeOutOfRange.
        """
        newest = await self._checkpoints.newest()
        if index >= newest.frontier.size:
            raise LogEntryNotFound(index=index, tree_size=newest.frontier.size)
        size = _size(tree_size, smallest=index + 1, newest=newest)

        def prove(log: LogView) -> InclusionProof:
            subtree = subtrees_of(log.log_tile)
            return InclusionProof(
                index=index,
                leaf_hash=subtree(0, index),
                hashes=inclusion_proof(index, size, subtree),
                tree_size=size,
                checkpoint=newest,
            )

        return await self._store.with_log(prove)

    async def prove_consistency(self, first: int, second: int) -> ConsistencyProof:
        """Prove that the log of `first` entries is a prefix of that of `second`, 0 being the newest checkpoint's.

        Raises TreeSizeOutOfRange.
        """
        newest = await self._checkpoints.newest()
        size = _size(second, smallest=0, newest=newest)
        if first > size:
            raise TreeSizeOutOfRange(asked=first, smallest=0, largest=size)
        hashes = await self._store.with_log(lambda log: consistency_proof(first, size, subtrees_of(log.log_tile)))
        return ConsistencyProof(hashes=hashes, second_tree_size=size, checkpoint=newest)


def _size(asked: int, *, smallest: int, newest: StoredCheckpoint) -> int:
    largest = newest.frontier.size
    size = asked or largest
    if not smallest <= size <= largest:
        raise TreeSizeOutOfRange(asked=asked, smallest=smallest, largest=largest)
    return size
