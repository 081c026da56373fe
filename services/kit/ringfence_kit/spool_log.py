"""A durable queue of items as segment files in one directory: synchronous, for one thread of one process.

The rules:

- what one `append` takes is one frame, written at the end of the newest segment and synced before the call returns;
  the next frame is written after that. So at most one frame can be torn, it is the last one, and nobody was told that
  its items are kept;
- opening cuts a torn last frame off. A damaged frame with a whole one behind it was not torn but damaged later, so the
  log is refused rather than silently shortened;
- a new segment and its header are durable before anything is written to it, and a delivered segment is deleted only
  while a newer one exists, so positions never start again;
- the position of delivery is a hint, written over but not synced: after a power cut some items come twice, none is
  missed.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ringfence_kit.spool_frames import (
    FRAME_OVERHEAD,
    HEADER_BYTES,
    SALT_BYTES,
    Frame,
    NewItem,
    Position,
    SpooledItem,
    digest,
    encode_frame,
    encode_header,
    frame_length,
    parse_frame,
    parse_frame_at,
    parse_header,
    whole_frame_behind,
)

_HINT_BYTES = 24
"""A position, and its digest: one that was torn is none."""
_SEGMENT_NAME = re.compile(r"[0-9]{20}")


class SpoolError(Exception):
    """A spool that cannot be used; the message says what to do."""


class SpoolLockedError(SpoolError):
    """Another process has the spool open."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"{directory} is in use by another process; stop it, or give this one its own data directory")
        self.directory = directory


class SpoolCorruptError(SpoolError):
    """Something that was written whole is damaged or gone now. Nothing was dropped: somebody has to look."""

    def __init__(self, path: Path, offset: int, problem: str) -> None:
        super().__init__(
            f"{path} is damaged at byte {offset}: {problem}; "
            "restore it from a back-up, or move the directory away to give up what was not delivered"
        )
        self.path = path
        self.offset = offset
        self.problem = problem


class SpoolBrokenError(SpoolError):
    """The disk would not say that it keeps the data, so what is on it is unknown until the spool is opened again."""


@dataclass(slots=True)
class _Segment:
    first: Position
    path: Path
    salt: bytes
    size: int
    """Bytes that are durable; what may lie behind them was never acknowledged."""


class _Read(NamedTuple):
    """Where the last read ended. That is mostly inside a frame, and the next one begins with the rest of it."""

    segment: Position
    offset: int
    first: Position
    """Of the frame that begins there."""
    frame: Frame | None
    """None when it has not been read."""

    def without_what_is_delivered(self, delivered: Position) -> "_Read":
        """Move to the next frame when all of this one was delivered: nobody reads it again."""
        if self.frame is None or self.frame.items[-1].position > delivered:
            return self
        behind = Position(self.first + len(self.frame.items))
        return _Read(self.segment, self.offset + self.frame.size, behind, None)


class SpoolLog:
    """The files. Every method may block on the disk; `sync` makes what was written to a descriptor durable.

    `last` and `delivered` are positions, `size` is the bytes of all segments, `repaired_bytes` what opening cut off.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int,
        sync: Callable[[int], None] = os.fdatasync,
        random: Callable[[int], bytes] = os.urandom,
        found: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Open the directory; `found` hears the id of every item that is there, delivered or not, in order."""
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._sync = sync
        self._random = random
        self._found = found
        self._broken: OSError | None = None
        self._reading: _Read | None = None
        self.repaired_bytes = 0
        self.last = Position(0)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = self._take_lock()
        try:
            self._segments = self._open_segments()
            self._active = _open_to_append(self._segments[-1].path)
        except BaseException:
            os.close(self._lock)
            raise
        self.delivered = min(self.last, max(self._read_delivered(), Position(self._segments[0].first - 1)))
        self.size = sum(segment.size for segment in self._segments)
        self._hint: int | None = None
        self._write_delivered()  # a hint past the end, in a directory put together by hand, must not outlive the append

    def close(self) -> None:
        """Let another process open the directory."""
        if self._hint is not None:
            os.close(self._hint)
        os.close(self._active)
        os.close(self._lock)

    def append(self, items: Sequence[NewItem]) -> Position:
        """Write `items` as one frame and return the position of the first once they are durable.

        Raises OSError when they could not be written (a full disk) and no trace of them is left; SpoolBrokenError,
        then and from then on, when the disk did not say that they are durable.
        """
        if self._broken is not None:
            raise SpoolBrokenError(f"an earlier write failed ({self._broken}); restart to open the spool again")
        if self._segments[-1].size >= self._segment_bytes:
            self._begin_segment()
        first = Position(self.last + 1)
        frame = encode_frame(self._segments[-1].salt, first, items)
        self._write(frame)
        self._segments[-1].size += len(frame)
        self.size += len(frame)
        self.last = Position(self.last + len(items))
        return first

    def read(self, after: Position, *, max_items: int, max_bytes: int) -> list[SpooledItem]:
        """Return the durable items after a position, in order; at least one when there is one.

        Raises SpoolCorruptError.
        """
        items: list[SpooledItem] = []
        taken = 0
        for item in self._items_after(after):
            taken += len(item.payload)
            if items and (taken > max_bytes or len(items) == max_items):
                break
            items.append(item)
        return items

    def release(self, through: Position) -> None:
        """Remember that everything up to a position is delivered, and delete the segments that wholly are."""
        self.delivered = max(self.delivered, through)
        while len(self._segments) > 1 and self._segments[1].first <= self.delivered + 1:
            self._segments[0].path.unlink()
            _sync_directory(self._directory)  # oldest first, also after a power cut: a hole would look like damage
            self.size -= self._segments.pop(0).size
        self._write_delivered()
        if self._reading is not None:
            self._reading = self._reading.without_what_is_delivered(self.delivered)

    def _write(self, frame: bytes) -> None:
        try:
            _write_all(self._active, frame)
        except OSError as error:
            try:
                os.ftruncate(self._active, self._segments[-1].size)
            except OSError:
                self._broken = error
            raise
        try:
            self._sync(self._active)
        except OSError as error:
            # After a failed sync the kernel may have dropped the pages, and a second sync would say all is well.
            self._broken = error
            raise SpoolBrokenError(f"{self._segments[-1].path} could not be synced: {error}") from error

    def _begin_segment(self) -> None:
        segment = self._create_segment(Position(self.last + 1))
        active = _open_to_append(segment.path)
        os.close(self._active)
        self._active = active
        self._segments.append(segment)
        self.size += segment.size

    def _create_segment(self, first: Position) -> _Segment:
        path = self._directory / f"{first:020d}.seg"
        salt = self._random(SALT_BYTES)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(descriptor, encode_header(first, salt))
            self._sync(descriptor)
        finally:
            os.close(descriptor)
        _sync_directory(self._directory)
        return _Segment(first, path, salt, HEADER_BYTES)

    def _items_after(self, after: Position) -> Iterator[SpooledItem]:
        followers = [segment.first for segment in self._segments[1:]] + [Position(self.last + 1)]
        for segment, following in zip(self._segments, followers, strict=True):
            if following > after + 1:
                yield from self._items_of(segment, after)

    def _items_of(self, segment: _Segment, after: Position) -> Iterator[SpooledItem]:
        offset, expected = HEADER_BYTES, segment.first
        frame: Frame | None = None
        if self._reading is not None and self._reading.segment == segment.first and self._reading.first <= after + 1:
            _, offset, expected, frame = self._reading
        with segment.path.open("rb") as file:
            while offset < segment.size:
                frame = frame or _read_frame(file, segment, offset, expected)
                if expected + len(frame.items) > after + 1:
                    self._reading = _Read(segment.first, offset, expected, frame)
                    yield from (item for item in frame.items if item.position > after)
                offset += frame.size
                expected = Position(expected + len(frame.items))
                frame = None

    def _take_lock(self) -> int:
        descriptor = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise SpoolLockedError(self._directory) from None
        return descriptor

    def _open_segments(self) -> list[_Segment]:
        paths = sorted(self._directory.glob("*.seg"))
        if not paths:
            self.last = self._read_delivered()
            return [self._create_segment(Position(self.last + 1))]
        self.last = Position(_first_of(paths[0]) - 1)
        return [self._open_segment(path, newest=path == paths[-1]) for path in paths]

    def _open_segment(self, path: Path, *, newest: bool) -> _Segment:
        """Check a segment against what came before it, and move `last` to its end."""
        first = _first_of(path)
        if first != self.last + 1:
            raise SpoolCorruptError(path, 0, f"it begins with item {first}, and item {self.last + 1} is missing")
        data = path.read_bytes()
        salt = parse_header(first, data)
        if salt is None:
            if newest and len(data) <= HEADER_BYTES:
                return self._create_segment(first)  # a crash came before its header was durable
            raise SpoolCorruptError(path, 0, "its header does not match its digest")
        offset = HEADER_BYTES
        while offset < len(data):
            frame = parse_frame_at(salt, data, offset, Position(self.last + 1))
            if frame is None:
                if not newest or whole_frame_behind(salt, data, offset, Position(self.last + 1)):
                    raise SpoolCorruptError(path, offset, "a frame does not match its digest, and it is not the last")
                self.repaired_bytes = len(data) - offset
                break
            for item in frame.items:
                self._found(item.id)
            offset += frame.size
            self.last = Position(self.last + len(frame.items))
        if newest:
            self._make_durable(path, offset)
        return _Segment(first, path, salt, offset)

    def _make_durable(self, path: Path, end: int) -> None:
        """Cut a segment to what is whole, and sync it: a frame whose writer was killed before its sync may be read here
        and yet be gone after a power cut, when its positions are somebody else's.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, end)
            self._sync(descriptor)
        finally:
            os.close(descriptor)

    def _read_delivered(self) -> Position:
        try:
            data = (self._directory / "delivered").read_bytes()
        except FileNotFoundError:
            return Position(0)
        number = data[:8]
        return Position(int.from_bytes(number) if data[8:_HINT_BYTES] == digest(b"delivered", number) else 0)

    def _write_delivered(self) -> None:
        number = int(self.delivered).to_bytes(8)
        with contextlib.suppress(OSError):  # only a hint, and a full disk must not stop the delivery that empties it
            if self._hint is None:
                # Written over from then on: to put a file in its place costs ten times that, with every delivery.
                path = self._directory / "delivered"
                self._hint = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._hint, number + digest(b"delivered", number), 0)


def _first_of(path: Path) -> Position:
    if _SEGMENT_NAME.fullmatch(path.stem) is None or not 0 < int(path.stem) < 2**63:
        raise SpoolCorruptError(path, 0, "its name is not the position of an item")
    return Position(int(path.stem))


def _open_to_append(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)


def _read_frame(file: BinaryIO, segment: _Segment, offset: int, expected: Position) -> Frame:
    file.seek(offset)
    head = file.read(FRAME_OVERHEAD)
    frame = parse_frame(segment.salt, head, file.read(frame_length(head)), expected)
    if frame is None:
        raise SpoolCorruptError(segment.path, offset, "a frame does not match its digest")
    return frame


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
