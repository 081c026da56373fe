"""Many objects without a cycle, none of which the garbage collector should look at again and again.

A snapshot is millions of objects without a cycle. While they are made, each collection would walk all of them, which is
most of the time of a large load; afterwards each full one would, and hold the event loop as long. Reference counting
frees them all the same. Where such objects come and go all the time, it has to look seldom.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Run a block that makes what stays: nothing is collected meanwhile, and what is there afterwards is left alone."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


_SELDOM = (100_000, 50, 100)
"""Objects that outlive their making before the youngest are looked at, and how often that happens before the others."""


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Run a block that makes and frees very many objects that form no cycles: look for cycles seldom meanwhile."""
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
