"""What happened before in a session, as conditions ask about it: calls let through, and how far back they are known.

- `formerly`, `count_within`, `sum_within` and `distinct_within` look back over a length of time. Where what happened
  then is not wholly known, asking is an error, the third truth value: it permits nothing and keeps no denial quiet.
- Only calls that were let through are events; the one that is decided is none yet.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ringfence_kit.clock import Instant

from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.cel.values import NANOS_PER_MILLI
from ringfence_pdp.selector import covers


class Event(NamedTuple):
    """One call that was let through."""

    at: Instant
    action: str
    tool: str | None
    resource_type: str | None
    resource_id: str | None
    numbers: Mapping[str, float]
    """Those among its arguments."""


class History(NamedTuple):
    """A session up to now."""

    events: tuple[Event, ...]
    """Oldest first."""
    known_since: Instant
    """Before then something may have happened that nobody knows of."""
    now: Instant

    def formerly(self, action: str, within: int) -> bool:
        """Say whether an action that the selector covers happened in that time, in nanoseconds."""
        return any(True for _ in self._back(action, within))

    def count_within(self, action: str, within: int) -> int:
        """Return how often it happened."""
        return sum(1 for _ in self._back(action, within))

    def sum_within(self, action: str, argument: str, within: int) -> float:
        """Return what a number among its arguments adds up to; a call without it is an error."""
        total = 0.0
        for event in self._back(action, within):
            number = event.numbers.get(argument)
            if number is None:
                raise EvaluationError(f"{event.action} happened in this session without a number {argument!r}")
            total += number
        return total

    def distinct_within(self, action: str, member: str, within: int) -> int:
        """Return how many different tools, resources or actions were part of it."""
        read = _MEMBERS.get(member)
        if read is None:
            raise EvaluationError(f"{member!r} is none of {', '.join(_MEMBERS)}")
        return len({getattr(event, read) for event in self._back(action, within)})

    def _back(self, action: str, within: int) -> Iterator[Event]:
        since = self.now - within // NANOS_PER_MILLI
        if within < 0 or since < self.known_since:
            known = (self.now - self.known_since) // 1_000
            raise EvaluationError(f"what this session did is known for the last {known} s only")
        return (event for event in self.events if event.at >= since and covers(action, event.action))


_MEMBERS = {
    "action": "action",
    "tool": "tool",
    "resource.type": "resource_type",
    "resource.id": "resource_id",
}
