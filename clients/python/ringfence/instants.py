"""Time as values: instants and durations in whole milliseconds, without a clock to read them from.

Instants are whole milliseconds since the Unix epoch: exact, comparable, and the same on every replica. Durations are
whole milliseconds too; the two are distinct types so they cannot be swapped.
"""

from typing import NewType

Instant = NewType("Instant", int)
"""Milliseconds since 1970-01-01T00:00:00Z."""

Millis = NewType("Millis", int)
"""A length of time in milliseconds."""

EPOCH = Instant(0)

SECOND = Millis(1_000)
MINUTE = Millis(60_000)
HOUR = Millis(3_600_000)
DAY = Millis(86_400_000)
