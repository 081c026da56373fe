"""Keeps what must reach another service until that service has taken it: on disk, in order, at least once.

The rules:

- an item is acknowledged to its producer once it is durable. Producers that come while the disk is busy share the next
  sync, so the cost of a sync is divided among them;
- the spool is bounded and says so: `SpoolFull` is for the producer to act on (fail closed, or refuse its own caller);
- delivery is one loop. A batch is sent until the receiver takes it, and forgotten only then; every item carries an id
  by which the receiver drops a repeat after a crash;
- one thread touches the disk, so the event loop never waits for it and the files need no locks. It has one group at a
  time, and does not wake the loop when that is kept if nobody waits for it and the delivery is about to look anyway;
- what was kept a moment ago is delivered from memory, up to a bound; what is older is read back from the disk.
"""

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, NoReturn, Self, TypeAlias

from ringfence.backoff import Backoff

from ringfence_kit.clock import Clock, Millis
from ringfence_kit.disk_thread import DiskThread
from ringfence_kit.spool_failures import SpoolFull, SpoolItemError, SpoolUnwritable
from ringfence_kit.spool_frames import FRAME_OVERHEAD, HEADER_BYTES, NewItem, Position, SpooledItem
from ringfence_kit.spool_limits import SpoolHooks, SpoolLimits
from ringfence_kit.spool_log import SpoolError, SpoolLog

__all__ = [
    "Position",
    "Send",
    "Spool",
    "SpoolError",
    "SpoolFull",
    "SpoolHooks",
    "SpoolItemError",
    "SpoolLimits",
    "SpoolUnwritable",
    "SpooledItem",
]

MAX_ID_BYTES = 255

Send: TypeAlias = Callable[[Sequence[SpooledItem]], Awaitable[None]]
"""Hands a batch to the receiver and returns once the receiver answers for all of it."""


class _Waiting(NamedTuple):
    item: NewItem
    cost: int
    kept: asyncio.Future[Position] | None
    """None when it was posted."""


class Spool:
    """A durable queue. Use as `async with Spool(...) as spool`; leaving the block waits for what was offered."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Clock,
        limits: SpoolLimits | None = None,
        hooks: SpoolHooks | None = None,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._limits = limits or SpoolLimits()
        self._hooks = hooks or SpoolHooks()
        self._sync = sync
        self._waiting: deque[_Waiting] = deque()
        self._committing: list[_Waiting] = []
        """The group the disk has."""
        self._outcome: Position | Exception | None = None
        """What became of that group: put here by the disk's thread, taken away on the loop."""
        self._waiting_bytes = 0
        self._handing_over = False
        """Whether the next group is about to be handed to the disk."""
        self._looks_soon = False
        """Whether the delivery looks by itself in a moment for what the disk has kept."""
        self._undeletable: Exception | None = None
        """Why what is delivered could not be deleted."""
        self._recent: deque[SpooledItem] = deque()
        """The newest durable items, without a gap up to the last."""
        self._recent_bytes = 0
        self._durable_bytes = 0
        self._last = self._delivered = self._forgotten = Position(0)
        self._kept = asyncio.Event()
        self._idle = asyncio.Event()
        """Whether the disk has nothing to do."""
        self._idle.set()
        self._empty = asyncio.Event()
        self._open = False
        self._delivering = False

    async def __aenter__(self) -> Self:
        self._disk = DiskThread(f"spool {self._directory.name}")
        try:
            self._log = await self._disk.run(self._open_log)
        except BaseException:
            self._disk.close()
            raise
        if self._log.repaired_bytes:
            self._hooks.repaired(self._log.repaired_bytes)
        self._durable_bytes = self._log.size
        self._last, self._delivered = self._log.last, self._log.delivered
        self._forgotten = self._delivered
        self._note_emptiness()
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = self._looks_soon = False
        self._look()
        try:
            await self._idle.wait()
        finally:
            self._disk.submit(self._log.close)
            self._disk.close()
            # Of who was cancelled here: what the disk has is settled, and nobody is left waiting for the rest.
            left = [*self._waiting]
            self._waiting.clear()
            self._look()
            self._settle(left)
            self._refuse(left, SpoolUnwritable(problem="it is closed"))

    @property
    def undelivered(self) -> int:
        """How many durable items the receiver has not taken yet."""
        return self._last - self._delivered

    @property
    def used_bytes(self) -> int:
        """What counts against the bound now."""
        return self._durable_bytes + self._waiting_bytes

    @property
    def recent_bytes(self) -> int:
        """How much of what is kept also stays in memory."""
        return self._recent_bytes

    def offer(self, item_id: str, payload: bytes) -> asyncio.Future[Position]:
        """Queue an item and return what resolves to its position once it is durable; items keep the order of offers.

        Raises SpoolFull at once; the future raises SpoolUnwritable. A cancelled future may still be delivered.
        """
        kept: asyncio.Future[Position] = asyncio.get_running_loop().create_future()
        self._enqueue(item_id, payload, kept)
        return kept

    def post(self, item_id: str, payload: bytes) -> None:
        """Queue an item as `offer` does, for a producer that does not wait: the hooks hear what became of it.

        Raises SpoolFull at once.
        """
        self._enqueue(item_id, payload, None)

    def _enqueue(self, item_id: str, payload: bytes, kept: asyncio.Future[Position] | None) -> None:
        self._check(item_id, payload)
        item = NewItem(item_id, payload, self._clock.now())
        # As if it came in a frame and a segment of its own: the bound holds however the items are grouped.
        cost = item.cost + FRAME_OVERHEAD + HEADER_BYTES
        if self.used_bytes + cost > self._limits.max_bytes:
            full = SpoolFull(used_bytes=self.used_bytes, max_bytes=self._limits.max_bytes)
            self._hooks.refused(full)
            raise full
        self._waiting.append(_Waiting(item, cost, kept))
        self._waiting_bytes += cost
        if len(self._waiting) == 1:
            self._empty.clear()
            self._idle.clear()
            self._look()

    async def append(self, item_id: str, payload: bytes) -> Position:
        """Return the item's position once it is durable. Raises SpoolFull, SpoolUnwritable."""
        return await self.offer(item_id, payload)

    async def drained(self) -> None:
        """Return once everything offered so far is delivered (or was refused by the disk)."""
        await self._empty.wait()

    async def deliver(
        self, send: Send, *, retry_on: tuple[type[Exception], ...], backoff: Backoff | None = None
    ) -> NoReturn:
        """Send what is kept, batch after batch, for as long as the caller lets it run.

        A batch whose `send` raises one of `retry_on` is sent again; any other exception ends the delivery, and nothing
        is forgotten. A receiver that refuses one item for good would hold up the rest, so `send` settles that itself:
        it returns normally once the item is logged as lost.
        """
        if self._delivering:
            raise SpoolError(f"{self._directory} is already being delivered; order needs a single loop")
        self._delivering = True
        backoff = backoff or Backoff()
        try:
            while True:
                self._kept.clear()
                if self._undeletable is not None:
                    raise self._undeletable
                batch = await self._next_batch()
                if batch and batch[-1].position == self._last and await self._gathered():
                    batch = await self._next_batch()
                if batch:
                    await self._send_until_taken(send, batch, retry_on, backoff)
                    self._forget(batch)
                else:
                    await self._kept.wait()
        finally:
            self._delivering = False

    async def _next_batch(self) -> list[SpooledItem]:
        limits = self._limits
        self._look()
        if self._recent and self._recent[0].position == self._delivered + 1:
            return list(_first_of(self._recent, max_items=limits.batch_items, max_bytes=limits.batch_bytes))
        return await self._disk.run(
            partial(self._log.read, self._delivered, max_items=limits.batch_items, max_bytes=limits.batch_bytes)
        )

    async def _gathered(self) -> bool:
        """Let time pass for more to come, and say whether any did: it is about sharing work, no rule hangs on it."""
        if not self._limits.gather_batch:
            return False
        self._looks_soon = True
        try:
            await asyncio.sleep(self._limits.gather_batch / 1_000)
        finally:
            self._looks_soon = False
            self._look()
        return True

    async def _send_until_taken(
        self, send: Send, batch: list[SpooledItem], retry_on: tuple[type[Exception], ...], backoff: Backoff
    ) -> None:
        while True:
            try:
                await send(batch)
            except retry_on as error:
                wait = Millis(round(backoff.next_wait() * 1_000))
                self._hooks.postponed(error, wait)
                await self._clock.sleep(wait)
            else:
                backoff.reset()
                return

    def _forget(self, batch: list[SpooledItem]) -> None:
        self._delivered = batch[-1].position  # before the disk knows: at worst a crash makes it come twice
        self._hooks.delivered(len(batch), Millis(max(0, self._clock.now() - batch[0].at)))
        while self._recent and self._recent[0].position <= self._delivered:
            self._recent_bytes -= len(self._recent.popleft().payload)
        self._look()
        self._disk.submit(partial(self._release, self._delivered, tells=self._delivered == self._last))

    def _release(self, through: Position, *, tells: bool) -> None:
        """In the disk's thread: delete what is delivered; the loop hears that it made room, failed, or was the last."""
        before = self._log.size
        try:
            self._log.release(through)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the delivery
            self._undeletable = error
        if tells or self._undeletable is not None or self._log.size != before:
            self._disk.tell(partial(self._released, through))

    def _released(self, through: Position) -> None:
        self._forgotten = through
        self._durable_bytes = self._log.size
        self._note_emptiness()
        if self._undeletable is not None:
            self._kept.set()

    def _look(self) -> None:
        """Take what the disk has done, and see that it has something to do."""
        if self._outcome is not None:
            outcome, group = self._outcome, self._committing
            self._outcome, self._committing = None, []
            self._conclude(group, outcome)
        if self._waiting and not self._committing and not self._handing_over:
            # Not at once: what comes in the same turn of the loop shares the sync.
            self._handing_over = True
            asyncio.get_running_loop().call_soon(self._hand_over)
        elif not self._waiting and not self._committing:
            self._idle.set()

    def _hand_over(self) -> None:
        self._handing_over = False
        if not self._waiting:  # closed meanwhile
            return
        self._committing = self._take_group()
        items = [waiting.item for waiting in self._committing]
        is_awaited = any(waiting.kept is not None for waiting in self._committing)
        self._disk.submit(partial(self._append, items, is_awaited=is_awaited))

    def _append(self, items: Sequence[NewItem], *, is_awaited: bool) -> None:
        """In the disk's thread: write a group, and wake the loop unless it looks soon and nobody waits for it."""
        outcome: Position | Exception
        try:
            outcome = self._log.append(items)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may take the group for kept
            outcome = error
        self._outcome = outcome
        # These are read once the outcome is there, and the loop looks for an outcome once it has changed them: so it is
        # told, or sees by itself.
        if is_awaited or self._waiting or not self._looks_soon or isinstance(outcome, Exception):
            self._disk.tell(self._look)

    def _conclude(self, group: list[_Waiting], outcome: Position | Exception) -> None:
        self._settle(group)
        if isinstance(outcome, Exception):
            self._refuse(group, SpoolUnwritable(problem=str(outcome) or type(outcome).__name__))
            return
        self._last = Position(outcome + len(group) - 1)
        self._remember(outcome, group)
        for offset, waiting in enumerate(group):
            if waiting.kept is not None and not waiting.kept.done():
                waiting.kept.set_result(Position(outcome + offset))
        self._kept.set()
        self._hooks.kept(len(group))

    def _remember(self, first: Position, group: list[_Waiting]) -> None:
        """Keep in memory what was just written, unless something before it is on the disk alone."""
        follows = self._recent[-1].position + 1 if self._recent else self._delivered + 1
        if follows != first or self._recent_bytes >= self._limits.recent_bytes:
            return
        for position, waiting in enumerate(group, start=first):
            item = waiting.item
            self._recent.append(SpooledItem(Position(position), item.id, item.payload, item.at))
            self._recent_bytes += len(item.payload)

    def _refuse(self, group: list[_Waiting], failure: SpoolUnwritable) -> None:
        for waiting in group:
            self._hooks.refused(failure)
            if waiting.kept is not None and not waiting.kept.done():
                waiting.kept.set_exception(failure)
        self._note_emptiness()

    def _settle(self, group: list[_Waiting]) -> None:
        self._waiting_bytes -= sum(waiting.cost for waiting in group)
        self._durable_bytes = self._log.size

    def _take_group(self) -> list[_Waiting]:
        group = [self._waiting.popleft()]
        size = group[0].cost
        while self._waiting and len(group) < self._limits.group_items:
            size += self._waiting[0].cost
            if size > self._limits.group_bytes:
                break
            group.append(self._waiting.popleft())
        return group

    def _note_emptiness(self) -> None:
        if self._forgotten == self._last and not self._waiting_bytes:
            self._empty.set()

    def _check(self, item_id: str, payload: bytes) -> None:
        if not self._open:
            raise SpoolUnwritable(problem="it is closed")
        if not 1 <= _encoded_length(item_id) <= MAX_ID_BYTES:
            raise SpoolItemError(f"an item id has 1 to {MAX_ID_BYTES} bytes of UTF-8, {item_id!r} does not")
        if len(payload) > self._limits.max_item_bytes:
            raise SpoolItemError(f"an item has at most {self._limits.max_item_bytes} bytes, not {len(payload)}")

    def _open_log(self) -> SpoolLog:
        return SpoolLog(
            self._directory, segment_bytes=self._limits.segment_bytes, sync=self._sync, found=self._hooks.found
        )


def _first_of(items: Iterable[SpooledItem], *, max_items: int, max_bytes: int) -> Iterator[SpooledItem]:
    taken = 0
    for place, item in enumerate(items):
        taken += len(item.payload)
        if place and (place == max_items or taken > max_bytes):
            return
        yield item


def _encoded_length(text: str) -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:  # a lone surrogate: not text, and not to be written as if it were
        return 0
