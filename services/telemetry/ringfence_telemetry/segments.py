"""The ingest log: what was received, on disk before anyone is told it was accepted.

The rules:

- `append` answers after fdatasync; appends that wait together share one (group commit), and while one runs the next
  group gathers by itself, so nobody waits for a timer;
- a position is never used twice; what comes later in the log has a higher one;
- of everything that was to be appended the owner hears once, in order, before its sender is answered and even when the
  sender has gone: that it is durable, or that it is not accepted;
- after a failed write nothing more goes into that file, and what was in the failed group is not accepted.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Self, TypeVar

from ringfence_kit.clock import Instant
from ringfence_kit.ids import NewId

from ringfence_telemetry.frames import MARK_SIZE, Frame
from ringfence_telemetry.segment_disk import LOCAL_DISK, Disk
from ringfence_telemetry.segment_files import OpenSegment, Position, Recovered, SegmentDirectory

T = TypeVar("T")

SEGMENT_BYTES = 64 * 1024 * 1024
_GROUP_BYTES = 64 * 1024 * 1024


class LogUnwritable(Exception):  # noqa: N818 - named for what happened, like the failures of the kit
    """The log could not be written; what was to be appended is not accepted."""


@dataclass(frozen=True, slots=True)
class Logged(Generic[T]):
    """A frame that is on disk, where it ends, and what its sender attached to it."""

    frame: Frame
    end: Position
    carried: T


@dataclass(slots=True)
class _Waiting(Generic[T]):
    frame: Frame
    carried: T
    durable: "asyncio.Future[Position]"


class SegmentLog(Generic[T]):
    """The log in one directory, open inside `async with`."""

    def __init__(
        self,
        directory: Path,
        *,
        on_durable: Callable[[Sequence[Logged[T]]], None],
        on_refused: Callable[[T], None],
        new_id: NewId,
        segment_bytes: int = SEGMENT_BYTES,
        disk: Disk = LOCAL_DISK,
    ) -> None:
        self._directory = SegmentDirectory(directory, disk=disk)
        self._on_durable = on_durable
        self._on_refused = on_refused
        self._new_id = new_id
        self._segment_bytes = segment_bytes
        self._waiting: list[_Waiting[T]] = []
        self._work = asyncio.Event()
        self._closing = False
        self._segment: OpenSegment | None = None
        self._flusher: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="telemetry-log")
        self.log_id = ""
        """Names this log, so that a position is never taken for one of another."""
        self.end = Position(0)
        """Everything before is durable."""
        self.torn_bytes = 0
        """What was cut off the end when the log was opened: an append that never finished."""
        self.free_bytes = 0
        """Room left on the disk, as of the last append."""

    async def __aenter__(self) -> Self:
        self._directory.open()
        self.log_id = self._directory.log_id(self._new_id)
        self.end, self.torn_bytes = self._directory.repair()
        self.free_bytes = self._directory.free_bytes()
        self._flusher = asyncio.create_task(self._flush_until_closed())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._closing = True
        self._work.set()
        try:
            if self._flusher is not None:
                await self._flusher
        finally:
            self._thread.shutdown()
            self._leave_segment()
            self._directory.close()

    def recover(self, after: Position) -> Iterator[Recovered]:
        """Return what the log holds after position `after`, in order."""
        return self._directory.recover(after)

    def read_on(self, after: Position, *, size: int) -> list[Recovered]:
        """Return what is durable after `after`, in order: at least one thing, about `size` bytes; none at the end."""
        return self._directory.read_on(after, until=self.end, size=size)

    def skip_to(self, position: Position) -> None:
        """Go on at `position` if the log ends before it: deleted segments must not make positions come twice."""
        self.end = max(self.end, position)

    def look_for_room(self) -> int:
        """Return the room left on the disk now; as of the last append when that cannot be said."""
        with suppress(OSError):
            self.free_bytes = self._directory.free_bytes()
        return self.free_bytes

    def forget(self, before: Position, *, older_than: Instant) -> int:
        """Delete segments that end before `before` and hold nothing received since `older_than`; return how many."""
        return self._directory.forget(before, older_than=older_than)

    async def append(self, frame: Frame, carried: T) -> Position:
        """Return where `frame` ends once it is on disk. Raises LogUnwritable; then it is not accepted.

        A caller cancelled while it waits does not take the frame back.
        """
        if self._closing:
            self._on_refused(carried)
            raise LogUnwritable("the ingest log is closed")
        waiting = _Waiting(frame, carried, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._work.set()
        return await waiting.durable

    async def _flush_until_closed(self) -> None:
        try:
            while self._waiting or not self._closing:
                await self._work.wait()
                await self._flush(self._take_group())
        finally:
            self._closing = True
            self._refuse(self._waiting, LogUnwritable("the ingest log is closed"))

    async def _flush(self, group: Sequence[_Waiting[T]]) -> None:
        if not group:
            return
        frames = [waiting.frame for waiting in group]
        try:
            ends = await asyncio.get_running_loop().run_in_executor(self._thread, self._write, frames)
        except OSError as error:
            self._refuse(group, LogUnwritable(f"the ingest log cannot be written: {error.strerror}"))
            return
        self.end = ends[-1]
        try:
            self._on_durable(
                [Logged(waiting.frame, end, waiting.carried) for waiting, end in zip(group, ends, strict=True)]
            )
        except Exception:
            self._refuse(group, LogUnwritable("the ingest log has failed; see the service's log"))
            raise
        for waiting, end in zip(group, ends, strict=True):
            if not waiting.durable.done():  # its caller may have been cancelled
                waiting.durable.set_result(end)

    def _take_group(self) -> list[_Waiting[T]]:
        size, count = 0, 0
        for waiting in self._waiting:
            size += waiting.frame.size
            if count and size > _GROUP_BYTES:
                break
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        if not self._waiting and not self._closing:
            self._work.clear()
        return group

    def _write(self, frames: Sequence[Frame]) -> list[Position]:
        """Append a group durably; runs in the log's thread."""
        try:
            segment = self._segment
            if segment is None or segment.size >= self._segment_bytes:
                self._leave_segment()
                segment = self._segment = self._directory.new_segment(self.end, mark=self._mark())
            ends = segment.append(frames)
        except OSError:
            self._leave_segment()
            raise
        self.free_bytes = self._directory.free_bytes()
        return ends

    def _leave_segment(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _mark(self) -> bytes:
        return hashlib.sha256(self._new_id().encode()).digest()[:MARK_SIZE]

    def _refuse(self, group: Sequence[_Waiting[T]], error: LogUnwritable) -> None:
        for waiting in group:
            self._on_refused(waiting.carried)
            if not waiting.durable.done():
                waiting.durable.set_exception(error)
