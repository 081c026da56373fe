"""Where identifiers come from: one callable, `NewId`, handed down from the composition root.

Random ones are made a few hundred at a time: asking the kernel for sixteen bytes takes microseconds, asking for four
thousand hardly more, and every decision takes one. A process that is forked throws away what it has.
"""

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from typing import TypeAlias

NewId: TypeAlias = Callable[[], str]
"""Returns a new identifier in the form of a lower-case UUID; never the same twice."""


_MADE_AT_ONCE = 256
_made: list[str] = []
os.register_at_fork(after_in_child=_made.clear)


def random_ids() -> str:
    """Return a random UUID (RFC 9562 version 4). May be called from any thread."""
    try:
        return _made.pop()
    except IndexError:
        first, *rest = _some_uuids(os.urandom(16 * _MADE_AT_ONCE).hex())
        _made.extend(rest)
        return first


def _some_uuids(digits: str) -> Iterator[str]:
    """Give a UUID for each 32 hex digits: 122 of its bits are theirs, six say version and variant (RFC 9562 5.4)."""
    for at in range(0, len(digits), 32):
        one = digits[at : at + 32]
        variant = "89ab"[int(one[16], 16) & 3]
        yield f"{one[:8]}-{one[8:12]}-4{one[13:16]}-{variant}{one[17:20]}-{one[20:]}"


def counting_ids(prefix: int = 0) -> NewId:
    """Return a source of UUIDs that count up from one, so two runs of a test give the same bytes."""
    numbers = itertools.count(1)
    return lambda: str(uuid.UUID(int=(prefix << 64) | (0x4000 << 64) | (0x8 << 60) | next(numbers)))
