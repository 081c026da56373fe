"""A store in memory with the contract of the SQL ones: for the contract suite and for tests of use cases.

It is no kinder than SQL: works run alone, a failing one leaves no trace, results take the way through `records`, and
nothing is shared with the caller but immutable rows. It forgets everything with the process, so no service runs on it.
"""

import asyncio
import secrets
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar, cast

from ringfence_kit import records
from ringfence_kit.background import background
from ringfence_kit.clock import Clock
from ringfence_kit.errors import RequestIdReused, RevisionCompacted, Unavailable
from ringfence_kit.events import EMPTY, Change, Event, Revision
from ringfence_kit.store import REQUEST_KEPT, Mutation, Recorder, StorageFault
from ringfence_kit.watch import EventHub
from ringfence_kit.work_log import WorkLog

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
Tx = TypeVar("Tx")


@dataclass(frozen=True, slots=True)
class MemoryTable(Generic[K, V]):
    """Names a table and its types: `AGENTS: MemoryTable[str, Agent] = MemoryTable("agents")`. Rows are immutable."""

    name: str


class MemoryRows:
    """All tables as one transaction, or one reader, sees them: each is copied when it is first touched."""

    def __init__(self, committed: dict[str, dict[Any, Any]]) -> None:
        self._committed = committed
        self._touched: dict[str, dict[Any, Any]] = {}

    def table(self, table: MemoryTable[K, V]) -> MutableMapping[K, V]:
        """Return the rows of `table` by key, in the order of insertion."""
        if table.name not in self._touched:
            self._touched[table.name] = dict(self._committed.get(table.name, {}))
        return cast("MutableMapping[K, V]", self._touched[table.name])

    def commit(self) -> None:
        """Make what this transaction sees what everyone sees."""
        self._committed.update(self._touched)


MemoryEventLog: TypeAlias = Callable[[MemoryRows, Sequence[Event]], None]
"""Stores what else is kept of the events of a transaction, inside it."""


class MemoryEvents:
    """An `EventReader` over a list."""

    def __init__(self) -> None:
        self._kept: list[Event] = []
        self._newest = EMPTY

    async def newest(self) -> Revision:
        """Return the revision of the newest event."""
        await asyncio.sleep(0)
        return self._newest

    async def read(self, after: Revision, limit: int) -> Sequence[Event]:
        """Return up to `limit` events after revision `after`."""
        await asyncio.sleep(0)
        if after < self.compacted:
            raise RevisionCompacted(requested=after + 1, oldest=self.compacted + 1)
        start = after - self.compacted
        return self._kept[start : start + limit]

    @property
    def last(self) -> Revision:
        """The revision of the newest event."""
        return self._newest

    @property
    def compacted(self) -> Revision:
        """The newest revision forgotten."""
        return Revision(self._newest - len(self._kept))

    def append(self, events: Sequence[Event]) -> None:
        """Add `events`."""
        self._kept.extend(events)
        self._newest = Revision(self._newest + len(events))

    def compact(self, keep: int) -> Revision:
        """Forget all but the newest `keep`."""
        del self._kept[: max(0, len(self._kept) - keep)]
        return self.compacted


@dataclass(slots=True)
class _Answered:
    mutation: Mutation
    result: bytes


@dataclass(slots=True)
class MemoryDatabase:
    """What outlives a `MemoryWriter`: opening another one on it is a restart."""

    events: MemoryEvents = field(default_factory=MemoryEvents)
    tables: dict[str, dict[Any, Any]] = field(default_factory=dict)
    answered: dict[str, _Answered] = field(default_factory=dict)
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def mac_key(self) -> bytes:
        """Return the key of what a service makes and has to know again."""
        return self.key

    async def read(self, look: Callable[[MemoryRows], T]) -> T:
        """Return what `look` finds in the committed rows."""
        await asyncio.sleep(0)
        return look(MemoryRows(self.tables))

    async def load(self, look: Callable[[MemoryRows], T]) -> tuple[Revision, T]:
        """Like `read`, with the revision of the state that `look` saw."""
        await asyncio.sleep(0)
        return self.events.last, look(MemoryRows(self.tables))


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
    """The `Writer` over a `MemoryDatabase`, at work inside `async with`."""

    def __init__(
        self,
        database: MemoryDatabase,
        make_tx: Callable[[MemoryRows, Recorder], Tx],
        hub: EventHub,
        *,
        clock: Clock,
        log: MemoryEventLog | None = None,
    ) -> None:
        """`log` keeps what else is kept of the events, in their transaction."""
        self._database = database
        self._make_tx = make_tx
        self._hub = hub
        self._clock = clock
        self._log = log
        self._open = False
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if not self._hub.started:
            raise RuntimeError("start the hub at the revision the snapshot was loaded at, then open the writer")
        await self._stack.enter_async_context(background(self._hub.beat(), self._hub.until_broken()))
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._open = False
        self._hub.close()
        return await self._stack.__aexit__(kind, error, trace)

    async def write(
        self, work: Callable[[Tx], T], *, mutation: Mutation, result: type[T], validate_only: bool = False
    ) -> T:
        """Apply `work`, see `store.Writer.write`."""
        if not self._open:
            raise Unavailable(problem="it is ending")
        encoded = self._replayed(mutation, validate_only=validate_only)
        if encoded is None:
            encoded = self._apply(work, mutation, validate_only=validate_only)
        # As with a disk: others run before the caller has its answer, and a caller may be cancelled meanwhile.
        await asyncio.sleep(0)
        return records.decode(encoded, result)

    def _replayed(self, mutation: Mutation, *, validate_only: bool) -> bytes | None:
        before = self._database.answered.get(mutation.request_id)
        if not mutation.request_id or validate_only or before is None:
            return None
        if before.mutation.at + REQUEST_KEPT <= mutation.at:
            return None
        if not before.mutation.same_request(mutation):
            raise RequestIdReused(request_id=mutation.request_id)
        return before.result

    def _apply(self, work: Callable[[Tx], object], mutation: Mutation, *, validate_only: bool) -> bytes:
        events: list[Event] = []
        rows = MemoryRows(self._database.tables)
        with WorkLog(events, after=self._database.events.last, mutation=mutation) as log:
            encoded = records.encode(work(self._make_tx(rows, log)))
        if validate_only:
            return encoded
        if events and self._log is not None:
            self._log(rows, events)
        rows.commit()
        self._database.events.append(events)
        if mutation.request_id:
            self._database.answered[mutation.request_id] = _Answered(mutation, encoded)
        try:
            self._hub.publish(events)
        except StorageFault as fault:
            raise Unavailable(problem="the change is stored and cannot be shown") from fault
        return encoded

    async def compact(self, keep: int) -> Revision:
        """Forget old events, see `store.Writer.compact`."""
        await asyncio.sleep(0)
        return self._database.events.compact(keep)
