"""What the audit log asks of storage: entries, tiles, signed heads, and what witnesses put beneath them.

Every method's docstring is its contract; `tests/contract/telemetry` proves it for memory, SQLite and PostgreSQL.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ringfence.proofs.merkle import Digest
from ringfence_kit.clock import Instant
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_kit.log_tiles import TileId, TileReader

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """An entry of the audit log."""

    index: int
    key: str
    """What it is about, unique in the log: `decision:<id>`, `outcome:<digest>`, `change:<revision>`, `note:<id>`."""
    body: bytes
    leaf_hash: Digest
    appended_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCosignature:
    """What a witness put beneath a head."""

    size: int
    """The head's."""
    witness: str
    """The witness' key, in the form operators exchange."""
    line: str
    """The signature line, without its newline."""
    at: Instant
    """When it came."""


class AuditLogTx(Protocol):
    """Appending to the audit log."""

    def checkpoint(self) -> StoredCheckpoint | None:
        """Return the newest checkpoint; None before the first."""
        ...

    def entries_of(self, keys: Collection[str]) -> Mapping[str, StoredEntry]:
        """Return the entries that are about `keys`, by key."""
        ...

    def tile(self, tile: TileId) -> bytes:
        """Return a tile; empty when it is not there."""
        ...

    def append_entries(
        self, entries: Sequence[StoredEntry], tiles: Mapping[TileId, bytes], checkpoint: StoredCheckpoint
    ) -> None:
        """Store entries, the tiles they change, and the head that covers them. A head of the same size is replaced."""
        ...

    def keep_cosignature(self, cosignature: StoredCosignature) -> None:
        """Keep what a witness put beneath a head; the first of a witness beneath a head stays."""
        ...


class AuditLogStore(Protocol):
    """Reading the audit log."""

    async def checkpoint(self) -> StoredCheckpoint | None:
        """Return the newest checkpoint; None before the first.

        Here and below its note carries what witnesses put beneath it, what came first first, ties by witness.
        """
        ...

    async def checkpoint_up_to(self, size: int) -> StoredCheckpoint | None:
        """Return the largest checkpoint of at most this size; None when there is none."""
        ...

    async def cosigned_size(self, *, witnesses: Collection[str], least: int) -> int | None:
        """Return the size of the newest head that at least so many of these witnesses stand behind, or None."""
        ...

    async def last_cosignatures(self) -> Sequence[StoredCosignature]:
        """Return the newest cosignature of each witness that ever gave one, by witness."""
        ...

    async def entry(self, index: int) -> StoredEntry | None:
        """Return an entry by its place, or None."""
        ...

    async def entry_of(self, key: str) -> StoredEntry | None:
        """Return the entry that is about `key`, or None."""
        ...

    async def entries(self, *, start: int, limit: int) -> Sequence[StoredEntry]:
        """Return up to `limit` entries from `start` on, in log order."""
        ...

    async def with_tiles(self, look: Callable[[TileReader, StoredCheckpoint | None], T]) -> T:
        """Return what `look` makes of the tiles and the newest checkpoint, as of one moment; off the event loop."""
        ...
