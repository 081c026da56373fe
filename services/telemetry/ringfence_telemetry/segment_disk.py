"""The disk beneath an ingest log: what is asked of it, all of which may go wrong.

A role of its own, so that a disk that is full, slow or dying is played beneath real files, wherever tests run.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """Where segments lie. Each method raises OSError when the disk does not do as asked."""

    def write(self, descriptor: int, parts: Sequence[memoryview]) -> int:
        """Append `parts` to a file; return how many bytes of them were written, which may be fewer than there are."""
        ...

    def sync(self, descriptor: int) -> None:
        """Return when what was written to a file is on the disk."""
        ...

    def free_bytes(self, directory: Path) -> int:
        """Return the room left."""
        ...


class LocalDisk:
    """The disk of the operating system."""

    def write(self, descriptor: int, parts: Sequence[memoryview]) -> int:
        """See `Disk`."""
        return os.writev(descriptor, parts)

    def sync(self, descriptor: int) -> None:
        """See `Disk`."""
        os.fdatasync(descriptor)

    def free_bytes(self, directory: Path) -> int:
        """See `Disk`."""
        return shutil.disk_usage(directory).free


LOCAL_DISK: Disk = LocalDisk()
