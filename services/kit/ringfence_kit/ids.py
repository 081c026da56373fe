"""Where identifiers come from: one callable, `NewId`, handed down from the composition root.

Random ones are made a few hundred at a time: asking the kernel for sixteen bytes takes microseconds, asking for four
thousand hardly more, and every decision takes one. A process that is forked throws away what it has.
"""

import hashlib
import itertools
import os
import uuid
from array import array
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
        first, *rest = _some_uuids(_MADE_AT_ONCE)
        _made.extend(rest)
        return first


_VERSION_4 = [f"4{number:03x}" for number in range(1 << 12)]
"""The third group, by its random bits."""
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""What the fourth group begins with, by two bits of a random digit; all others are random digits as they are."""


def _some_uuids(count: int) -> Iterator[str]:
    thirds, fourths = array("H", os.urandom(2 * count)), os.urandom(2 * count).hex("-", 2).split("-")
    return map(
        "-".join,
        zip(
            os.urandom(4 * count).hex("-", 4).split("-"),
            os.urandom(2 * count).hex("-", 2).split("-"),
            [_VERSION_4[bits & 0xFFF] for bits in thirds],
            [_VARIANT[digits[0]] + digits[1:] for digits in fourths],
            os.urandom(6 * count).hex("-", 6).split("-"),
            strict=True,
        ),
    )


def _uuid(digits: str, *, version: int) -> str:
    """Return a UUID of 32 hex digits: 122 of its bits are theirs, six say version and variant (RFC 9562 4)."""
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def id_of(content: bytes) -> str:
    """Return the UUID that follows from `content`: the beginning of its SHA-256 (RFC 9562 5.8, version 8)."""
    return _uuid(hashlib.sha256(content).hexdigest()[:32], version=8)


def counting_ids(prefix: int = 0) -> NewId:
    """Return a source of UUIDs that count up from one, so two runs of a test give the same bytes."""
    numbers = itertools.count(1)
    return lambda: str(uuid.UUID(int=(prefix << 64) | (0x4000 << 64) | (0x8 << 60) | next(numbers)))
