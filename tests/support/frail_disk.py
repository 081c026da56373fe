"""A disk that keeps only what was synced: plays power cuts on real files.

`FrailDisk.sync` goes in as a spool's `sync`. It notes how many bytes of which file are durable, and can be told to cut
the power or to report an error. `after_power_cut` then copies the directory as a machine might find it: each file cut
anywhere between its durable end and its real end, the rest garbled or not.
"""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path


class PowerCutError(Exception):
    """The machine is off; nothing after this line runs."""


class FrailDisk:
    def __init__(self) -> None:
        self.durable: dict[str, int] = {}
        self.cut_power_in: int | None = None
        """Syncs that still work before the power goes; None for a reliable supply."""
        self.failing = False
        self.syncs = 0

    def sync(self, descriptor: int) -> None:
        if self.cut_power_in == 0:
            raise PowerCutError
        if self.cut_power_in is not None:
            self.cut_power_in -= 1
        if self.failing:
            raise OSError(errno.EIO, "the disk is dying")
        self.syncs += 1
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        self.durable[name] = os.fstat(descriptor).st_size

    def after_power_cut(
        self, directory: Path, copy: Path, *, cut: Callable[[int, int], int], garble: Callable[[bytes], bytes]
    ) -> None:
        """Copy `directory` as it may be found. `cut` picks an end between two, `garble` rewrites what was not durable.

        A file that is not a segment is never synced by its owner: it may be found in any state, or not at all.
        """
        shutil.copytree(directory, copy)
        for path in copy.glob("*.seg"):
            content = path.read_bytes()
            durable = min(self.durable.get(path.name, 0), len(content))
            end = cut(durable, len(content))
            path.write_bytes(content[:durable] + garble(content[durable:end]))
