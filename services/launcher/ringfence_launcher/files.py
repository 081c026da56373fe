"""Writes files whole or not at all.

A file is written beside its place and renamed into it, so neither a full disk nor a killed process leaves half of one,
and a reader sees the old file or the new one.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_WORLD_READABLE = 0o644


@contextlib.contextmanager
def replacing(file: Path) -> Iterator[IO[str]]:
    """Yield a text file that becomes `file` when the block ends well, and disappears when it does not."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as out:
            yield out
            out.flush()
            os.fsync(descriptor)
        beside.chmod(_WORLD_READABLE)
        beside.replace(file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
