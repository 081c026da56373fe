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
        now, latest = self._clock.now(), self.reading()
        if now < latest - TOLERANCE:
            problem = f"its clock is {latest - now} ms behind what it last signed; set the clock right"
            raise Unavailable(problem=problem)
        return latest

    def reading(self) -> Instant:
        """Return the time for an answer that nothing is signed or stored for: it holds still, and never goes back."""
        self._latest = Instant(max(self._latest, self._newest_event(), self._clock.now()))
        return self._latest
