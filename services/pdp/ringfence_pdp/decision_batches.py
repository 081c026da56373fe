"""Decisions on their way into the spool: gathered for a few milliseconds into one item, which is sent as it lies there.

An entry of its own in the spool costs a decision as much as deciding does. So each is written once, as it will travel,
and what comes within a few milliseconds is one item. The rules:

- what a batch holds is bounded, in entries and in bytes, and so is what is gathered: a spool that has no room for it
  refuses the decision, before it is answered;
- what a worker has gathered is gathered once more, with that of the others and our own, as it lies there;
- the id of a batch says how many entries it holds; an item without such an id is an entry of an earlier release;
- telemetry takes up to a thousand entries at a time, so small batches travel together;
- an entry that is refused for good is found by sending the entries of its call one by one, and is lost alone.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import structlog
from ringfence.errors import RingfenceError
from ringfence_kit.clock import Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.spool import SpooledItem, SpoolFull

_log = structlog.get_logger(__name__)

BATCH_ENTRIES = 500
BATCH_BYTES = 256 << 10
CALL_ENTRIES = 1_000
"""The most telemetry takes at a time."""

REFUSED_FOR_GOOD = frozenset({"INVALID_REQUEST", "DECISION_ENTRY_INVALID", "DECISION_CONFLICT", "MESSAGE_TOO_LARGE"})
"""Reasons that no repetition mends."""


class Spooling(Protocol):
    """The producer's side of a `ringfence_kit.spool.Spool`."""

    def post(self, item_id: str, payload: bytes, /) -> None:
        """Queue an item. Raises SpoolFull at once."""
        ...

    @property
    def undelivered(self) -> int:
        """Items that were not taken yet."""
        ...

    @property
    def used_bytes(self) -> int:
        """Bytes they take."""
        ...


class Wire(Protocol):
    """How entries are written for telemetry, and sent."""

    def entry(self, decision_id: str, body: bytes) -> bytes:
        """Return one entry; several behind each other are the entries of a call."""
        ...

    def entries(self, call: bytes) -> Sequence[tuple[str, bytes]]:
        """Return the id and the bytes of each entry of a call."""
        ...

    def append(self, call: bytes) -> Awaitable[None]:
        """Have entries appended. Raises RingfenceError."""
        ...


class DecisionBatches:
    """Gathers decisions; what `DecisionLog` attaches to."""

    def __init__(
        self,
        spool: Spooling,
        wire: Wire,
        *,
        left: Iterable[str] = (),
        max_bytes: int,
        gather: Millis,
        on_refused: Callable[[Unavailable, int], None],
    ) -> None:
        """Begin with `left`, the ids of what an earlier run left in the spool, in order.

        `on_refused` hears why a batch is lost that had been gathered, and of how many entries it was.
        """
        self._spool = spool
        self._wire = wire
        self._max_bytes = max_bytes
        self._gather = gather
        self._on_refused = on_refused
        self._parts: list[bytes] = []
        self._entries = 0
        self._first = ""
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._counts = deque(map(entries_of, left))
        self._spooled = sum(self._counts)

    @property
    def undelivered(self) -> int:
        """Decisions telemetry has not taken yet."""
        return self._spooled + self._entries

    @property
    def used_bytes(self) -> int:
        """Bytes they take."""
        return self._spool.used_bytes + self._bytes

    def post(self, decision_id: str, body: bytes, /) -> None:
        """Take a decision. Raises SpoolFull at once."""
        self._gathered(decision_id, self._wire.entry(decision_id, body), 1)

    def post_batch(self, batch_id: str, batch: bytes) -> None:
        """Take a batch that was gathered elsewhere, as `flush` hands it over. Raises SpoolFull at once."""
        self._gathered(batch_id.rpartition(":")[2], batch, entries_of(batch_id))

    def _gathered(self, first: str, part: bytes, entries: int) -> None:
        if self.used_bytes + len(part) > self._max_bytes:
            raise SpoolFull(used_bytes=self.used_bytes, max_bytes=self._max_bytes)
        if not self._parts:
            self._first = first
            self._timer = asyncio.get_running_loop().call_later(self._gather / 1_000, self.flush)
        self._parts.append(part)
        self._entries += entries
        self._bytes += len(part)
        if self._entries >= BATCH_ENTRIES or self._bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand over what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        parts, entries = self._parts, self._entries
        self._parts, self._entries, self._bytes = [], 0, 0
        if not parts:
            return
        try:
            self._spool.post(f"{entries}:{self._first}", b"".join(parts))
        except Unavailable as failure:
            self._on_refused(failure, entries)
        else:
            self._counts.append(entries)
            self._spooled += entries

    def delivered(self, batches: int) -> None:
        """Hear that telemetry took so many batches, the oldest."""
        for _ in range(min(batches, len(self._counts))):
            self._spooled -= self._counts.popleft()

    def dropped(self) -> int:
        """Hear that a batch was not kept; return how many entries it held."""
        if not self._counts:
            return 0
        entries = self._counts.pop()
        self._spooled -= entries
        return entries


class _Call(NamedTuple):
    """Batches that travel together."""

    entries: int
    body: bytes


async def send_batches(wire: Wire, items: Sequence[SpooledItem], *, lost: Callable[[str], None]) -> None:
    """Have batches appended; an entry that is refused for good is lost, and told."""
    for call in _calls(wire, items):
        try:
            await wire.append(call)
        except RingfenceError as error:
            if error.reason not in REFUSED_FOR_GOOD:
                raise
            await _one_by_one(wire, call, lost)


async def _one_by_one(wire: Wire, call: bytes, lost: Callable[[str], None]) -> None:
    for decision_id, entry in wire.entries(call):
        try:
            await wire.append(entry)
        except RingfenceError as error:
            if error.reason not in REFUSED_FOR_GOOD:
                raise
            _log.error("decision_lost", decision_id=decision_id, reason=error.reason, problem=str(error))
            lost(decision_id)


def _calls(wire: Wire, items: Sequence[SpooledItem]) -> Iterator[bytes]:
    """Yield what travels together: whole batches, in order."""
    together: list[bytes] = []
    entries = 0
    for item in items:
        batch = _batch_of(wire, item)
        if together and entries + batch.entries > CALL_ENTRIES:
            yield b"".join(together)
            together, entries = [], 0
        together.append(batch.body)
        entries += batch.entries
    if together:
        yield b"".join(together)


def _batch_of(wire: Wire, item: SpooledItem) -> _Call:
    if _is_batch(item.id):
        return _Call(entries_of(item.id), item.payload)
    return _Call(1, wire.entry(item.id, item.payload))


def _is_batch(item_id: str) -> bool:
    count, colon, _ = item_id.partition(":")
    return bool(colon) and count.isdecimal()


def entries_of(item_id: str) -> int:
    """Return how many entries an item holds."""
    return int(item_id.partition(":")[0]) if _is_batch(item_id) else 1
