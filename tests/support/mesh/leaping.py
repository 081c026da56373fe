"""A clock that goes as the machine's does, and leaps when a test says so: for what takes half a minute by itself."""

from ringfence_kit.clock import Instant, Millis, SystemClock


class LeapingClock(SystemClock):
    """The machine's wall clock, ahead by what it has leapt. Whoever sleeps wakes no earlier for it."""

    def __init__(self) -> None:
        self._ahead = 0

    def now(self) -> Instant:
        """Return the time."""
        return Instant(super().now() + self._ahead)

    def leap(self, duration: Millis) -> None:
        """Let so much time have passed."""
        self._ahead += duration
