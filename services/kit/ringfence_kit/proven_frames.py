"""A file of frames, each proven before it is used: what was cut off, changed or written by another ends as `NoFrames`.

A frame is its length, its MAC and its bytes. Each MAC is keyed and continues the one before it, so frames cannot be
changed, taken out, swapped or come from elsewhere; the last one is empty, so none is missing at the end. The key is the
reader's business: who has another one reads nothing.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

MAC_SIZE = 32
_LENGTH_SIZE = 4
FRAME_MAX = 64 * 1024 * 1024
"""No frame is longer: a length is read before it is proven."""


class NoFrames(Exception):  # noqa: N818 - named for what happened, like every failure
    """The file is not there, or not what the reader wants; `problem` says which, for a log."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def write_frames(path: Path, mark: bytes, key: bytes, frames: Iterable[bytes]) -> int:
    """Put `mark` and `frames` in the place of the file, whole or not at all; return the size. Raises `OSError`."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)  # what a crash left behind, or somebody planted
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o600), "wb") as file:  # noqa: PTH123 - Path.open cannot set the mode
            file.write(mark)
            file.writelines(_sealed(mark, key, frames))
            size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # The folder is not synced: after a power failure the old file is as good, it only holds less.
    return size


def read_frames(path: Path, key_of: Callable[[bytes], bytes], mark_size: int) -> Iterator[bytes]:
    """Yield the frames of the file, or raise `NoFrames`, at once or in the middle: only a whole walk proves the whole.

    `key_of` returns the key for the mark of the file, or raises `NoFrames`.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - no symlink
            mark = file.read(mark_size)
            key, mac = key_of(mark), mark
            while True:
                head = file.read(_LENGTH_SIZE + MAC_SIZE)
                length = int.from_bytes(head[:_LENGTH_SIZE], "big")
                frame = file.read(length) if length <= FRAME_MAX else b""
                mac = _mac(key, mac, frame)
                if head[_LENGTH_SIZE:] != mac or len(frame) != length:
                    raise NoFrames("it is damaged, or of another database")
                if not frame:
                    return
                yield frame
    except OSError as error:
        raise NoFrames("there is none" if isinstance(error, FileNotFoundError) else str(error.strerror)) from error


def _sealed(mark: bytes, key: bytes, frames: Iterable[bytes]) -> Iterator[bytes]:
    mac = mark
    for frame in chain(frames, (b"",)):
        mac = _mac(key, mac, frame)
        yield len(frame).to_bytes(_LENGTH_SIZE, "big") + mac
        yield frame


def _mac(key: bytes, before: bytes, frame: bytes) -> bytes:
    mac = hashlib.blake2b(before, key=key, digest_size=MAC_SIZE)
    mac.update(len(before).to_bytes(1, "big"))
    mac.update(frame)
    return mac.digest()
