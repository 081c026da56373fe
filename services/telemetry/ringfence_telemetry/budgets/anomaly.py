"""Whether an agent uses far more than it did: its last hour against the hours of the days before.

Pure, and in whole numbers: variances are compared as squares, so nothing is rounded. The rules:

- the last hour is out of the ordinary when it is more than the mean of the hours before by five standard deviations,
  and more than three times the mean; once it is, it goes on until it is within two deviations, or twice the mean;
- an hour in which nothing was used is an hour of nothing, so who works one hour a day does what it always did (that is
  what five deviations are for: four would tell of it every night);
- less than a day of history says nothing, and an hour below the least amount is not worth looking at, however unusual.
"""

from collections.abc import Sequence
from dataclasses import dataclass

HOURS = 7 * 24
"""Hours before the last one that are looked at."""

HOURS_LEAST = 24
"""Hours since an agent was first seen, in these days, that make a history."""

TOKENS_LEAST = 100_000
"""Tokens of an hour that are worth looking at."""

NANOS_LEAST = 10**9
"""Of money: one unit of its currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """An hour beside those before it."""

    last: int
    before: Sequence[int]
    """By hour, the oldest first, since the agent was first seen."""
    least: int

    @property
    def begins(self) -> bool:
        """Whether it is out of the ordinary."""
        return self._is(deviations=5, times=3)

    @property
    def goes_on(self) -> bool:
        """Whether it still is, having been."""
        return self._is(deviations=2, times=2)

    @property
    def mean(self) -> int:
        """What an hour used to be, cut to a whole number."""
        return sum(self.before) // max(1, len(self.before))

    def _is(self, *, deviations: int, times: int) -> bool:
        count = len(self.before)
        if self.last < self.least or count < HOURS_LEAST:
            return False
        total = sum(self.before)
        squares = count * sum(each * each for each in self.before) - total * total
        above = self.last * count - total
        return above > 0 and self.last * count > times * total and above * above > deviations**2 * squares
