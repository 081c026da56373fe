"""A folder of policy files, read only once it has come to rest.

A file that is being written can look whole: cut off after a rule that allows, before one that denies. So a folder is
read when nothing in it has changed between two looks that are `SETTLE` apart, and what was read is thrown away when
something changed meanwhile. Folders that are swapped as a whole (a mounted ConfigMap, a symbolic link) are followed.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ringfence_kit.clock import Clock, Millis

from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.sources.limits import check_sizes, is_policy
from ringfence_pdp.sources.source import SourceUnusable

SETTLE = Millis(500)
"""How long nothing may change before it is read."""

Stamp = tuple[int, int, int, int]
"""Of a file: device, inode, size and the time it was last written."""


class FolderSource:
    """The `*.yaml` and `*.yml` files under a folder, at any depth, named relative to it."""

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._read: Mapping[str, Stamp] | None = None

    @property
    def name(self) -> str:
        """See `Source`."""
        return f"folder {self._folder}"

    async def read(self) -> Sequence[PolicyFile] | None:
        """See `Source`."""
        before = await asyncio.to_thread(stamps_of, self._folder)
        if before == self._read:
            return None
        await self._clock.sleep(SETTLE)
        at_rest = await asyncio.to_thread(stamps_of, self._folder)
        if at_rest != before:
            raise SourceUnusable("its files are being written; they are read once they rest")
        check_sizes((path, stamp[2]) for path, stamp in at_rest.items())
        files = await asyncio.to_thread(_contents, self._folder, at_rest)
        if await asyncio.to_thread(stamps_of, self._folder) != at_rest:
            raise SourceUnusable("its files changed while they were read; they are read once they rest")
        self._read = at_rest
        return files


def stamps_of(folder: Path) -> Mapping[str, Stamp]:
    """Return what tells the files of a folder apart from those of another moment."""
    try:
        if not folder.is_dir():
            raise SourceUnusable("it is no folder")
        return dict(_stamps(folder))
    except OSError as error:
        raise SourceUnusable(f"it cannot be read: {error.strerror or error}") from error


def _stamps(folder: Path) -> Iterator[tuple[str, Stamp]]:
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(at, name).relative_to(folder).as_posix()
            if is_policy(path):
                found = (folder / path).stat()
                yield path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _contents(folder: Path, stamps: Mapping[str, Stamp]) -> list[PolicyFile]:
    try:
        return [PolicyFile(path=path, content=(folder / path).read_bytes()) for path in sorted(stamps)]
    except OSError as error:
        raise SourceUnusable(f"it cannot be read: {error.strerror or error}") from error
