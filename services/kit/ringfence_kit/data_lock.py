"""One process per data file: an operating system lock beside the file, which dies with the process that holds it.

The lock is flock(2) on `<file>.lock`. The lock file stays when the lock is gone, and says who held it last; deleting
it while a process runs would let a second one in, so nothing here deletes it.
"""

import fcntl
import os
from pathlib import Path
from typing import Self

from ringfence_kit.store import DataInUse


class DataLock:
    """The exclusive right to `path`, held inside `with`. Entering raises `DataInUse` when somebody has it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Two spellings of one file must meet at one lock.
        self._lock_path = path.resolve().with_name(path.resolve().name + ".lock")
        self._fd: int | None = None

    def __enter__(self) -> Self:
        fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.pwrite(fd, str(os.getpid()).encode("ascii"), 0)
        except BlockingIOError:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise DataInUse(path=str(self._path), holder=f"process {holder}" if holder else "another process") from None
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
