"""Usage as it is added up: what it is counted by, what is counted, and sums of both.

Counts are exact integers. A late span may take back what an earlier one was charged, so a change can be negative; a
total never is.
"""

from typing import NamedTuple, TypeAlias

UNATTRIBUTED = "unattributed"
"""The agent of spans that no span of their trace attributes."""


class UsageKey(NamedTuple):
    """What usage is counted by."""

    minute: int
    """Minutes since the epoch."""
    agent: str
    session: str
    model: str
    operation: str
    untrusted: bool
    """Reported by a credential that is not bound to the agent."""


class Counts(NamedTuple):
    """What is counted."""

    spans: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    tool_calls: int = 0
    duration_micros: int = 0


ZERO = Counts()

CountRow: TypeAlias = tuple[int, int, int, int, int, int, int, int, int]
"""Counts as a plain tuple, in the same order: what a single span adds."""


class UsageChange:
    """What a batch of spans does to the totals, gathered to be applied at once."""

    def __init__(self) -> None:
        self._sums: dict[UsageKey, list[int]] = {}

    def add(self, key: UsageKey, counts: CountRow) -> None:
        """Count `counts` under `key`."""
        row = self._sums.get(key)
        if row is None:
            self._sums[key] = list(counts)
            return
        for place, count in enumerate(counts):
            if count:
                row[place] += count

    def take_back(self, key: UsageKey, counts: CountRow) -> None:
        """Undo an earlier `add`, of this change or of one before."""
        row = self._sums.setdefault(key, [0] * len(counts))
        for place, count in enumerate(counts):
            row[place] -= count

    def sums(self) -> dict[UsageKey, Counts]:
        """Return the net change of each key; what cancelled out is left away."""
        return {key: Counts._make(row) for key, row in self._sums.items() if any(row)}
