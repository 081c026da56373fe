"""Runs what repeats itself at full speed: which lines are covered at all is told by the tests that name a case.

Under coverage a thousand examples take two to four times their time, to find the lines that the first few went through.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unmeasured() -> Iterator[None]:
    """Do without the tracer of a coverage run inside the block; threads that start there do without it as well."""
    tracer, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)
        threading.settrace(of_threads)
