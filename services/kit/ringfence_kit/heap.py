"""What a process keeps of the memory it takes: who looks through it for garbage, and when it goes back.

A snapshot is millions of objects without a cycle. While they are made, each collection would walk all of them, which is
most of the time of a large load; afterwards each full one would, and hold the event loop as long. Reference counting
frees them all the same. Where such objects come and go all the time, it has to look seldom.

What is freed goes back to the system only where the C library lets go of it. By itself glibc keeps up to 64 MB at the
end of its heap, more the larger what was freed lately, and as much again for each thread it gives a heap of its own.
"""

import ctypes
import gc
from collections.abc import Iterator, Mapping
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


_LET_GO: Mapping[int, int] = {
    -1: 4 << 20,  # M_TRIM_THRESHOLD: what may lie free at the end of the heap; less, and each batch grows it again
    -3: 1 << 20,  # M_MMAP_THRESHOLD: what is as large is the system's again when it is freed
    -8: 2,  # M_ARENA_MAX: one for the event loop, one for the threads beside it
}
"""Parameters of mallopt(3), for a process that holds the interpreter's lock while it allocates, as all of ours do."""


def let_go() -> None:
    """Give memory back that is free, from now on; where the C library is not glibc that is its own business."""
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        for parameter, value in _LET_GO.items():
            library.mallopt(parameter, value)
