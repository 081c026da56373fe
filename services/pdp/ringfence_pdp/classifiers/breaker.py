"""Stops asking what does not answer: after so many failures in a row it rests, then one question tries again.

A call that would wait in vain for a classifier costs its deadline; while the breaker rests it costs nothing.
"""

from ringfence_kit.clock import Instant, Millis


class Breaker:
    """Closed while answers come, open while it rests, and half open for one question at a time after that."""

    def __init__(self, *, failures: int, rest: Millis) -> None:
        """Rest for `rest` after so many `failures` in a row."""
        self._most = failures
        self._rest = rest
        self._failures = 0
        self._rests_since: Instant | None = None
        self._tries = False

    @property
    def is_open(self) -> bool:
        """Whether it rests, or waits for the one question that tries again."""
        return self._rests_since is not None

    def lets_through(self, now: Instant) -> bool:
        """Say whether a question may be asked now; whoever is let through tells how it went."""
        if self._rests_since is None:
            return True
        # A clock that was set back would make the rest last: then it is over.
        if self._tries or self._rests_since <= now < self._rests_since + self._rest:
            return False
        self._tries = True
        return True

    def answered(self) -> None:
        """A question was answered."""
        self._failures = 0
        self._rests_since = None
        self._tries = False

    def failed(self, now: Instant) -> None:
        """A question was not."""
        self._failures += 1
        self._tries = False
        if self._failures >= self._most:
            self._rests_since = now

    def given_up(self) -> None:
        """Nobody waits for the answer any more, so nothing is known from it."""
        self._tries = False
