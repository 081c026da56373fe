"""A store in memory with the contract of the SQL ones: for the contract suite and for tests of use cases.

It is no kinder than SQL: works run alone, a failing one leaves no trace, results take the way through `records`, and
nothing is shared with the caller but immutable rows. It forgets everything with the process, so no service runs on it.
"""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from ringfence_kit.clock import Clock
from ringfence_kit.events import Change, Revision
from ringfence_kit.store import EventReader, Mutation, Recorder
from ringfence_kit.watch import EventHub

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
Tx = TypeVar("Tx")


@dataclass(frozen=True, slots=True)
class MemoryTable(Generic[K, V]):
    """Names a table and its types: `AGENTS: MemoryTable[str, Agent] = MemoryTable("agents")`. Rows are immutable."""

    name: str


class MemoryRows:
    """All tables as one transaction, or one reader, sees them."""

    def table(self, table: MemoryTable[K, V]) -> MutableMapping[K, V]:
        """Return the rows of `table` by key, in the order of insertion."""
        raise NotImplementedError


class MemoryDatabase:
    """What outlives a `MemoryWriter`: opening another one on it is a restart."""

    events: EventReader
    """The stored events."""

    def page_key(self) -> bytes:
        """Return the key of this database's page tokens."""
        raise NotImplementedError

    async def read(self, look: Callable[[MemoryRows], T]) -> T:
        """Return what `look` finds in the committed rows."""
        raise NotImplementedError

    async def load(self, look: Callable[[MemoryRows], T]) -> tuple[Revision, T]:
        """Like `read`, with the revision of the state that `look` saw."""
        raise NotImplementedError


class MemoryTx:
    """What a service's in-memory transaction is built on."""

    def __init__(self, rows: MemoryRows, log: Recorder) -> None:
        self.rows = rows
        self._log = log

    @property
    def next_revision(self) -> Revision:
        """The revision the next `record` will get."""
        return self._log.next_revision

    def record(self, change: Change, kind: str, name: str, record: bytes) -> Revision:
        """Append an event to this transaction and return its revision."""
        return self._log.record(change, kind, name, record)


class MemoryWriter(Generic[Tx]):
    """The `Writer` over a `MemoryDatabase`."""

    def __init__(
        self, database: MemoryDatabase, make_tx: Callable[[MemoryRows, Recorder], Tx], hub: EventHub, *, clock: Clock
    ) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(self, *exc_info: object) -> None:
        raise NotImplementedError

    async def write(
        self, work: Callable[[Tx], T], *, mutation: Mutation, result: type[T], validate_only: bool = False
    ) -> T:
        """Apply `work`, see `store.Writer.write`."""
        raise NotImplementedError

    async def compact(self, keep: int) -> Revision:
        """Forget old events, see `store.Writer.compact`."""
        raise NotImplementedError
