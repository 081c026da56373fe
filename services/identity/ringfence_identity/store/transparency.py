"""What the log of mutations asks of storage: entries, the tiles of their tree, and the newest signed checkpoint."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ringfence.proofs.merkle import Frontier
from ringfence_kit.clock import Instant
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_kit.log_tiles import TileId

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One entry of the log."""

    index: int
    subject: str
    """What it is about: the name of the record that was changed."""
    body: bytes
    appended_at: Instant


class LogView(Protocol):
    """The log as it stands at one moment."""

    def log_tree(self) -> Frontier:
        """Return how many entries there are and what they hash to; an empty frontier before the first."""
        ...

    def log_tile(self, tile: TileId) -> bytes:
        """Return a tile; empty when it is not there."""
        ...

    def log_checkpoint(self) -> StoredCheckpoint | None:
        """Return the newest signed checkpoint; None before the first."""
        ...

    def last_log_entry(self) -> LogEntry | None:
        """Return the entry with the largest index, or None."""
        ...


class LogTx(LogView, Protocol):
    """The part of a transaction that keeps checkpoints. Entries come from events, and from nowhere else."""

    def put_log_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        """Keep `checkpoint` in place of the one before."""
        ...


class LogStore(Protocol):
    """Reads of the log outside a mutation."""

    async def with_log(self, look: Callable[[LogView], T]) -> T:
        """Return what `look` makes of the log, as of one moment; off the event loop."""
        ...

    async def log_entries(self, *, start: int, limit: int, subject: str = "") -> Sequence[LogEntry]:
        """Return up to `limit` entries from index `start` on, in order; with a subject, only those about it."""
        ...
