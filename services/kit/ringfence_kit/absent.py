"""Imports of libraries that take an optional one with them, where nothing of ours has a use for that one.

A library that imports another in a `try` does without it when it is not there. Until it has been imported, so it is.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def absent(package: str) -> Iterator[None]:
    """Run the imports of the block as if `package` were not installed; for everybody else it is as it was.

    Not for several threads at once, and for imports only: whoever imports `package` meanwhile does not get it either.
    """
    there = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment]  # how the import system says: there is none
    try:
        yield
    finally:
        del sys.modules[package]
        if there is not None:
            sys.modules[package] = there
