"""Loading what stays: many objects made at once, none of which the garbage collector should look at again and again.

A snapshot is millions of objects without a cycle. While they are made, each collection would walk all of them, which is
most of the time of a large load; afterwards each full one would, and hold the event loop as long. Reference counting
frees them all the same.
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
