"""Keeps what sessions did, for conditions that look back.

The log is bounded: sessions, events of one, and time. What it forgets it knows that it forgot, so that nobody takes a
gap for quiet.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol

from ringfence_kit.clock import DAY, Instant

from ringfence_pdp.history import Event, History
from ringfence_pdp.model import CheckRequest

SESSIONS_MAX = 10_000
EVENTS_MAX = 1_000
"""Events of one session that are kept."""

KEPT_FOR = DAY
NUMBERS_MAX = 16
"""Numbers of a call's arguments that are kept, by their names."""


class SessionKey(NamedTuple):
    """One session of one agent, in one environment."""

    environment: str
    did: str
    session: str


class SessionLog(Protocol):
    """Keeps what sessions did. A store that several pdps share keeps the same contract."""

    def history(self, key: SessionKey, now: Instant) -> History:
        """Return a session up to now."""
        ...

    def record(self, key: SessionKey, event: Event) -> None:
        """Add a call that was let through."""
        ...


@dataclass(slots=True)
class _Session:
    known_since: Instant
    events: deque[Event] = field(default_factory=deque)


class MemorySessionLog:
    """`SessionLog` of one process: it knows nothing of what was before it."""

    def __init__(self, since: Instant, *, sessions_max: int = SESSIONS_MAX, events_max: int = EVENTS_MAX) -> None:
        """`since`: from when on every call is told."""
        self._since = since
        self._sessions: OrderedDict[SessionKey, _Session] = OrderedDict()
        self._sessions_max = sessions_max
        self._events_max = events_max

    def history(self, key: SessionKey, now: Instant) -> History:
        """See `SessionLog`."""
        found = self._sessions.get(key)
        known = self._since if found is None else found.known_since
        return History(() if found is None else tuple(found.events), Instant(max(known, now - KEPT_FOR)), now)

    def record(self, key: SessionKey, event: Event) -> None:
        """See `SessionLog`."""
        session = self._sessions.setdefault(key, _Session(self._since))
        self._sessions.move_to_end(key)
        events = session.events
        events.append(event)
        while len(events) > self._events_max or events[0].at < event.at - KEPT_FOR:
            session.known_since = Instant(max(session.known_since, events.popleft().at + 1))
        while len(self._sessions) > self._sessions_max:
            # A session that is forgotten is one nobody knows: so is every other that might have been forgotten too.
            _, forgotten = self._sessions.popitem(last=False)
            self._since = Instant(max(self._since, forgotten.events[-1].at + 1))


class SessionHistories:
    """What conditions hear of sessions. While no policy asks, nothing is kept, and nothing is known of that time."""

    def __init__(self, make: Callable[[Instant], SessionLog] = MemorySessionLog) -> None:
        """`make` returns a log of everything from an instant on."""
        self._make = make
        self._log: SessionLog | None = None

    def listen(self, now: Instant, *, asked: bool) -> None:
        """Begin to keep what happens if policies ask, and stop when none does any more."""
        if not asked:
            self._log = None
        elif self._log is None:
            self._log = self._make(now)

    def told(self, request: CheckRequest, did: str | None, now: Instant) -> CheckRequest:
        """Return the request with what its session did before."""
        if self._log is None or request.session is None or did is None:
            return request
        return request._replace(history=self._log.history(SessionKey(request.environment, did, request.session), now))

    def happened(self, request: CheckRequest, did: str | None, now: Instant) -> None:
        """Keep a call that was let through."""
        if self._log is None or request.session is None or did is None:
            return
        numbers = {name: value for name, value in request.arguments().items() if type(value) is float}
        event = Event(
            at=now,
            action=request.action,
            tool=request.tool,
            resource_type=request.resource.type,
            resource_id=request.resource.id,
            numbers=dict(islice(numbers.items(), NUMBERS_MAX)),
        )
        self._log.record(SessionKey(request.environment, did, request.session), event)
