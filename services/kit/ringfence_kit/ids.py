"""Where identifiers come from: one callable, `NewId`, handed down from the composition root."""

import itertools
import uuid
from collections.abc import Callable
from typing import TypeAlias

NewId: TypeAlias = Callable[[], str]
"""Returns a new identifier in the form of a lower-case UUID; never the same twice."""


def random_ids() -> str:
    """Return a random UUID (RFC 9562 version 4)."""
    return str(uuid.uuid4())


def counting_ids(prefix: int = 0) -> NewId:
    """Return a source of UUIDs that count up from one, so two runs of a test give the same bytes."""
    numbers = itertools.count(1)
    return lambda: str(uuid.UUID(int=(prefix << 64) | (0x4000 << 64) | (0x8 << 60) | next(numbers)))
