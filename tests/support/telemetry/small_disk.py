"""A disk with little room, counted over real files: what fits of a write is written, and then ENOSPC, as a kernel does.

What is on it is what was written through it and not deleted since, and a ballast that can be thrown off.
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from ringfence_telemetry.segment_disk import LocalDisk


class SmallDisk(LocalDisk):
    def __init__(self, directory: Path, *, size: int, ballast: int) -> None:
        self._directory = directory
        self._size = size
        self.ballast = ballast
        self.refusals = 0
        """Writes that did not fit at all."""
        self.torn = 0
        """Writes of which a part fitted."""

    def write(self, descriptor: int, parts: Sequence[memoryview]) -> int:
        whole = b"".join(parts)
        room = self._room()
        if not room and whole:
            self.refusals += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.torn += room < len(whole)
        return super().write(descriptor, [memoryview(whole)[:room]])

    def free_bytes(self, directory: Path) -> int:
        assert directory == self._directory
        return self._room()

    def _room(self) -> int:
        used = sum(path.stat().st_size for path in self._directory.glob("*.seg"))
        return max(0, self._size - self.ballast - used)
