"""A share of something, and how sure it is: the Wilson score interval.

With x hits of n and z the 97.5 % quantile of the normal distribution, both ends of the 95 % interval are

    (x + z²/2 ± z · √(x · (n - x) / n + z²/4)) / (n + z²)

Unlike the share plus and minus its standard error it stays within 0 and 1, and says something of one hit out of one:
at least 0.2065. (E. B. Wilson, 1927; the form is that of Brown, Cai and DasGupta, 2001, (4), without a division by n
of what is divided by it again.)
"""

import math
from dataclasses import dataclass

Z = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    hits: int = 0
    total: int = 0

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval; 0 when nothing counted."""
        return wilson(self.hits, self.total)[0]

    @property
    def high(self) -> float:
        """The upper end; 1 when nothing counted."""
        return wilson(self.hits, self.total)[1]

    @property
    def value(self) -> float:
        """The share itself; 0 when nothing counted."""
        return self.hits / self.total if self.total else 0.0


NONE = Share()
"""Nothing counted."""


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Return both ends of the interval; all of 0 to 1 when nothing counted."""
    if total <= 0:
        return 0.0, 1.0
    middle, square = hits + Z * Z / 2, Z * Z
    spread = Z * math.sqrt(hits * (total - hits) / total + square / 4)
    # At the ends the interval begins or ends exactly there, whatever rounding makes of it.
    low = 0.0 if hits == 0 else max(0.0, (middle - spread) / (total + square))
    high = 1.0 if hits == total else min(1.0, (middle + spread) / (total + square))
    return low, high
