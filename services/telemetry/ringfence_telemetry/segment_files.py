"""The segment files of an ingest log in their directory: made, read back, repaired and deleted.

The rules:

- a segment's file name is the position of its first byte, so a position finds its file without an index;
- one process has the directory at a time; another is refused with a sentence;
- an old file is never appended to: what the kernel kept of an interrupted write is unknown;
- a torn tail is cut off when the directory is opened; damage in the middle is skipped and reported, never guessed at;
- the directory carries an id, so that a position is never taken for one of another log.
"""

import fcntl
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NewType

from ringfence_kit.clock import Instant
from ringfence_kit.ids import NewId
from ringfence_kit.store import DataInUse

from ringfence_telemetry.frames import (
    FRAME_HEADER_SIZE,
    SEGMENT_HEADER_SIZE,
    Damage,
    Frame,
    SegmentDamaged,
    first_received_at,
    frame_parts,
    read_frames,
    read_segment_header,
    segment_header,
)
from ringfence_telemetry.segment_disk import LOCAL_DISK, Disk

Position = NewType("Position", int)
"""Bytes from the beginning of the log; a committed position says that everything before it is dealt with."""

LOG_START = Position(0)

_SUFFIX = ".seg"
_PARTS_PER_WRITE = 1_000
"""POSIX allows at least 1,024 buffers a call (IOV_MAX)."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """One thing found when the log is read back: a frame, or bytes that are none. `end` is where it ends."""

    end: Position
    frame: Frame | None = None
    damaged_bytes: int = 0


class SegmentDirectory:
    """The directory of one log, locked from `open` to `close`."""

    def __init__(self, path: Path, *, disk: Disk = LOCAL_DISK) -> None:
        self._path = path
        self._disk = disk
        self._lock = -1

    def open(self) -> None:
        """Make the directory when it is missing, and lock it. Raises DataInUse."""
        self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sync_directory(self._path.parent)
        self._lock = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise DataInUse(path=str(self._path), holder="another process") from None

    def close(self) -> None:
        """Let another process have the directory."""
        os.close(self._lock)

    def log_id(self, new_id: NewId) -> str:
        """Return the id of this log; a new log gets one."""
        path = self._path / "log-id"
        if not path.exists():
            temporary = path.with_suffix(".new")
            temporary.write_text(new_id())
            temporary.replace(path)
            _sync_directory(self._path)
        return path.read_text()

    def free_bytes(self) -> int:
        """Return the room left on the disk."""
        return self._disk.free_bytes(self._path)

    def repair(self) -> tuple[Position, int]:
        """Cut off what an interrupted append left at the end; return where the log ends and how much was cut off."""
        segments = self._segments()
        if not segments:
            return Position(0), 0
        last = segments[-1]
        content, start = last.read_bytes(), _start_of(last)
        try:
            mark, _ = read_segment_header(content)
        except SegmentDamaged:
            if len(content) > SEGMENT_HEADER_SIZE:  # it had a header once: keep what cannot be read for who can
                return Position(start + len(content)), 0
            last.unlink()
            return Position(start), len(content)
        torn = [
            found for found in read_frames(content, mark) if isinstance(found, Damage) and found.end == len(content)
        ]
        end = torn[0].start if torn else len(content)
        os.truncate(last, end)
        return Position(start + end), len(content) - end

    def recover(self, after: Position) -> Iterator[Recovered]:
        """Return what the log holds after position `after`, in order."""
        segments = self._segments()
        for path, following in itertools.zip_longest(segments, segments[1:]):
            start = _start_of(path)
            # A write that failed may have left frames beyond the end; the next segment starts where the log ended.
            end = start + path.stat().st_size if following is None else _start_of(following)
            if end > after:
                yield from _read_segment(path.read_bytes()[: end - start], start, after)

    def read_on(self, after: Position, *, until: Position, size: int) -> list[Recovered]:
        """Return what the log holds after `after`, at least one thing and about `size` bytes of it; none at `until`.

        Positions between segments that are gone are passed over.
        """
        segments = self._segments()
        for path, following in itertools.zip_longest(segments, segments[1:]):
            start = _start_of(path)
            end = until if following is None else min(until, _start_of(following))
            if end > after:
                return _read_some(path, start, max(after, start), end, size)
        return []

    def forget(self, before: Position, *, older_than: Instant) -> int:
        """Delete segments that end before `before` and hold nothing received since `older_than`; return how many."""
        deleted = 0
        # A segment ends where the next one starts; the last one is always kept, so the end is never forgotten.
        for path, following in itertools.pairwise(self._segments()):
            if _start_of(following) > before or _received_from(following) >= older_than:
                break
            path.unlink()
            deleted += 1
        return deleted

    def new_segment(self, start: Position, *, mark: bytes) -> "OpenSegment":
        """Make the segment that begins at `start`, durably."""
        path = self._path / f"{start:020d}{_SUFFIX}"
        path.unlink(missing_ok=True)  # one whose header could not be written: the log ends where it started
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        segment = OpenSegment(descriptor, mark, start, disk=self._disk)
        try:
            segment.write_header()
            _sync_directory(self._path)
        except OSError:
            segment.close()
            raise
        return segment

    def _segments(self) -> list[Path]:
        return sorted(self._path.glob(f"*{_SUFFIX}"))


class OpenSegment:
    """The segment file that is appended to. An OSError leaves it in an unknown state: close it and make another."""

    def __init__(self, descriptor: int, mark: bytes, start: Position, *, disk: Disk = LOCAL_DISK) -> None:
        self._descriptor = descriptor
        self._disk = disk
        self._mark = mark
        self._start = start
        self.size = 0

    def write_header(self) -> None:
        """Write the segment's header durably."""
        self._write([segment_header(self._mark, self._start)])
        self._disk.sync(self._descriptor)

    def append(self, frames: Sequence[Frame]) -> list[Position]:
        """Write `frames` durably; return where each ends."""
        ends = [
            Position(self._start + end) for end in itertools.accumulate((f.size for f in frames), initial=self.size)
        ]
        self._write([part for frame in frames for part in frame_parts(self._mark, frame)])
        self._disk.sync(self._descriptor)
        return ends[1:]

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _write(self, parts: Sequence[bytes]) -> None:
        for first in range(0, len(parts), _PARTS_PER_WRITE):
            rest = [memoryview(part) for part in parts[first : first + _PARTS_PER_WRITE] if part]
            while rest:
                written = self._disk.write(self._descriptor, rest)
                self.size += written
                while rest and written >= len(rest[0]):
                    written -= len(rest.pop(0))
                if written:
                    rest[0] = rest[0][written:]


def _read_segment(content: bytes, start: int, after: Position) -> Iterator[Recovered]:
    try:
        mark, _ = read_segment_header(content)
    except SegmentDamaged:
        yield Recovered(Position(start + len(content)), damaged_bytes=len(content))
        return
    for found in read_frames(content, mark, max(SEGMENT_HEADER_SIZE, after - start)):
        if isinstance(found, Damage):
            yield Recovered(Position(start + found.end), damaged_bytes=found.end - found.start)
        else:
            yield Recovered(Position(start + found.end), frame=found.frame)


def _read_some(path: Path, start: int, after: int, end: int, size: int) -> list[Recovered]:
    with path.open("rb") as file:
        try:
            mark, _ = read_segment_header(file.read(SEGMENT_HEADER_SIZE))
        except SegmentDamaged:
            return [Recovered(Position(end), damaged_bytes=end - after)]
        first = max(after, start + SEGMENT_HEADER_SIZE)
        while True:
            file.seek(first - start)
            content = file.read(min(size, end - first))
            found = [
                Recovered(Position(first + each.end), damaged_bytes=each.end - each.start)
                if isinstance(each, Damage)
                else Recovered(Position(first + each.end), frame=each.frame)
                for each in read_frames(content, mark, 0)
            ]
            whole = first + len(content) >= end
            if not whole and found and found[-1].frame is None:
                found.pop()  # cut off by us
            if found or whole:
                return found
            size *= 2


def _received_from(segment: Path) -> Instant:
    with segment.open("rb") as file:
        return first_received_at(file.read(SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE))


def _start_of(segment: Path) -> int:
    return int(segment.stem)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
