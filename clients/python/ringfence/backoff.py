"""How long to wait before trying again: longer each time, never in step with everybody else.

The rules:

- the ceiling doubles with each failure up to a cap; the wait is drawn from its upper half, so a wait is never so short
  that it hammers a server in trouble, and a thousand clients cut at once do not come back at once;
- what the server asked for (google.rpc.RetryInfo) is a floor, not a suggestion.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Backoff:
    """Waits in seconds for one retrying party. `draw` returns a number in [0, 1)."""

    first: float = 0.1
    cap: float = 10.0
    draw: Callable[[], float] = random.random
    _failures: int = field(default=0, init=False)

    @property
    def failures(self) -> int:
        """How many waits were handed out since the last `reset`."""
        return self._failures

    def next_wait(self, *, at_least: float = 0.0) -> float:
        """Count a failure and return the seconds to wait."""
        ceiling = min(self.cap, self.first * 2.0 ** min(self._failures, 60))
        self._failures += 1
        return max(at_least, ceiling / 2 + self.draw() * ceiling / 2)

    def reset(self) -> None:
        """Begin again with the shortest wait: something worked."""
        self._failures = 0
