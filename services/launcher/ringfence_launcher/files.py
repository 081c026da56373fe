"""Writes files whole or not at all, and secrets so that only their owner reads them.

A file is written beside its place and renamed into it, so a reader, a full disk or a killed process never leaves half
of one. A secret has mode 0600 from its first byte on, and never replaces another.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_WORLD_READABLE = 0o644
_OWNER_ONLY = 0o600


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


def write_secret(file: Path, text: str) -> None:
    """Create `file` with mode 0600; FileExistsError when it is there already."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        os.fchmod(descriptor, _OWNER_ONLY)  # whatever the umask says
        out.write(text)
        out.flush()
        os.fsync(descriptor)


def replace_secret(file: Path, text: str) -> None:
    """Replace the content of a secret, whole or not at all, and keep mode 0600."""
    beside = file.with_name(f".{file.name}.new")
    beside.unlink(missing_ok=True)
    write_secret(beside, text)
    beside.replace(file)
