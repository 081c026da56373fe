"""The time as identity signs it: never behind what it has already said.

A clock that was set back would issue tokens from the past, accept assertions whose use was forgotten, and write history
out of order. So identity stops signing until the clock is right again; a few seconds of correction are normal and only
hold time still.
"""

from collections.abc import Callable

from ringfence_kit.clock import SECOND, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable

TOLERANCE = Millis(5 * SECOND)


class SigningClock:
    """Reads the clock for everything that is signed, spent or stored."""

    def __init__(self, clock: Clock, newest_event: Callable[[], Instant]) -> None:
        """`newest_event` returns when the newest stored event happened, so that a restart forgets nothing."""
        self._clock = clock
        self._newest_event = newest_event
        self._latest = Instant(0)

    def now(self) -> Instant:
        """Return the time, or raise `Unavailable` when the clock stands behind what was already said."""
        now = self._clock.now()
        self._latest = Instant(max(self._latest, self._newest_event(), now))
        if now < self._latest - TOLERANCE:
            problem = f"its clock is {self._latest - now} ms behind what it last signed; set the clock right"
            raise Unavailable(problem=problem)
        return self._latest
