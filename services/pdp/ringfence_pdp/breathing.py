"""Long work in a thread of its own that lets the event loop run in between.

Threads of one process share an interpreter: a compiler that never rests holds up every decision for as long as the
interpreter leaves it alone, which is milliseconds. One that rests by itself holds them up for `SPELL` at most.
"""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

SPELL = 500e-6
"""Seconds of work without a rest."""

REST = 20e-6
"""Seconds of rest: enough for a thread that waits to take over."""


def nothing_more() -> None:
    """Do not rest: for work that nothing waits beside."""


class Breath:
    """Called every now and then, rests when it is time."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def __call__(self) -> None:
        """Rest if the last time was long ago."""
        if time.perf_counter() - self._since > SPELL:
            time.sleep(REST)
            self._since = time.perf_counter()


@contextmanager
def uncollected() -> Iterator[None]:
    """Run the block without looking for garbage in cycles, and never look through what is alive at its end.

    A large bundle is hundreds of thousands of objects without a cycle. Looking through them stops the whole process for
    as long as thousands of decisions take, each time anew. What is freed by counting references is still freed; a cycle
    that is alive now is never freed, which is why this is for what happens seldom.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
