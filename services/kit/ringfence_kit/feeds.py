"""A feed: what one service knows of another, kept current by a watch, with an age it never lies about.

No hot path calls another service; it reads the view its feed keeps. The rules:

- readers see a whole view or the one before it: a state that begins anew is built aside and put in place when complete;
- every change, and every bookmark of a complete view, is a sign of life; the age of a feed is the time since the last.
  A change does not make a late feed young: it may be the first of many that were missed, and only a bookmark, or the
  end of a state, says that nothing is missing;
- a change that cannot be taken is no sign of life and ends the stream: the view ages until a whole state was taken;
- silence is counted in heartbeats slept as well as on the clock, so a clock set back does not make an old view young;
- a feed that is silent for `cut_after` is cut: it says so, doubts its stream and opens another, and goes on trying for
  ever. What a cut feed means is for the consumer to decide, by `age` and `state`.
"""

import asyncio
import enum
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import structlog
from ringfence.errors import RingfenceError
from ringfence.watch import Change, Changed, StateBegins, StateComplete, Step
from ringfence.watch_position import WatchAnswer

from ringfence_kit.background import background
from ringfence_kit.clock import SECOND, Clock, Instant, Millis

HEARTBEAT = Millis(5 * SECOND)
"""How often a healthy watch says something (architecture: heartbeat 5 s)."""

MISSED_UNTIL_CUT = 3
"""Heartbeats missed in a row before a feed is cut."""

A = TypeVar("A", bound=WatchAnswer)
A_co = TypeVar("A_co", bound=WatchAnswer, covariant=True)
ViewT = TypeVar("ViewT")

_log = structlog.get_logger(__name__)


class FeedState(enum.Enum):
    """How far a view can be believed to be current."""

    CONNECTING = "connecting"
    """There has never been a whole view: nothing is known."""
    LIVE = "live"
    """Heard from within a heartbeat or two."""
    LATE = "late"
    """A heartbeat is missing."""
    CUT = "cut"
    """Silent for `cut_after`."""


class Source(Protocol[A_co]):
    """A watch as `ringfence.watch.AioWatch` is one, with initial state."""

    def __aiter__(self) -> AsyncIterator[Step[A_co]]: ...

    def interrupt(self) -> None:
        """Give up the present stream and open another."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReport:
    """How a feed stands, for health, metrics and people."""

    name: str
    state: FeedState
    age: Millis | None
    """Time since the last sign of life; None when there never was a whole view."""
    revision: int
    problem: str
    """What the last attempt failed with; empty when it did not."""


class Feed(Generic[A, ViewT]):
    """Keeps a view of another service current inside `async with feed.following()`.

    `new_source` opens a watch with initial state; `new_view` makes an empty view; `take` puts one change into one, in
    order, and must not block; what it cannot read it had better make less of than fail. `on_change` is called on the
    event loop after every sign of life and every heartbeat without one.
    """

    def __init__(
        self,
        name: str,
        *,
        new_source: Callable[[], Source[A]],
        new_view: Callable[[], ViewT],
        take: Callable[[ViewT, Change, A], None],
        clock: Clock,
        heartbeat: Millis = HEARTBEAT,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.view: ViewT = new_view()
        """The last whole view; empty until the first one is complete. Changes in place between heartbeats."""
        self.revision = 0
        """The revision `view` stands at."""
        self._new_source = new_source
        self._new_view = new_view
        self._take = take
        self._clock = clock
        self._heartbeat = heartbeat
        self._on_change = on_change
        self._building: ViewT | None = None
        self._source: Source[A] | None = None
        self._heard_at: Instant | None = None
        self._beats_since_heard = 0
        self._beats_without_step = 0
        self._problem = ""
        self._whole = asyncio.Event()

    async def caught_up(self) -> None:
        """Wait until there is a whole view."""
        await self._whole.wait()

    def age(self, now: Instant) -> Millis | None:
        """Return the time since the last sign of life, or None when there never was a whole view."""
        if self._heard_at is None:
            return None
        # The beat in progress is not counted: a healthy feed is silent for less than one.
        slept = max(0, self._beats_since_heard - 1) * self._heartbeat
        return Millis(max(0, now - self._heard_at, slept))

    def state(self, now: Instant) -> FeedState:
        """Return how far the view can be believed to be current at `now`."""
        age = self.age(now)
        if age is None:
            return FeedState.CONNECTING
        if age >= MISSED_UNTIL_CUT * self._heartbeat:
            return FeedState.CUT
        return FeedState.LATE if age >= 2 * self._heartbeat else FeedState.LIVE

    def report(self, now: Instant) -> FeedReport:
        """Return how the feed stands."""
        return FeedReport(
            name=self.name, state=self.state(now), age=self.age(now), revision=self.revision, problem=self._problem
        )

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow the source beside the block; nothing is waited for, `caught_up` is for that."""
        async with background(self._follow(), self._watch_silence()):
            yield

    async def _follow(self) -> None:
        while True:
            self._source = self._new_source()
            try:
                async for step in self._source:
                    self._receive(step)
            except RingfenceError as error:
                # Not what a new stream mends at once (a grant that is missing, a certificate): somebody must act, and
                # until then the feed is silent and ages.
                _log.warning("feed_refused", feed=self.name, problem=str(error))
                self._broke(str(error))
            except Exception as error:  # noqa: BLE001 - a record nobody foresaw must cut one feed, not end the service
                _log.exception("feed_unreadable", feed=self.name)
                self._broke(f"a change could not be taken: {error!r}")
            self._building = None
            await self._clock.sleep(self._heartbeat)

    def _broke(self, problem: str) -> None:
        self._problem = problem
        self._on_change()

    def _receive(self, step: Step[A]) -> None:
        self._beats_without_step = 0
        match step:
            case StateBegins():
                self._building = self._new_view()
                return  # no sign of life: what readers see is still the old view
            case StateComplete(revision=revision):
                if self._building is not None:
                    self.view, self._building = self._building, None
                self.revision = revision
                self._whole.set()
            case Changed(change=change, answer=answer) if self._building is not None:
                self._take(self._building, change, answer)
                return
            case Changed(revision=revision, change=change, answer=answer):
                self._take(self.view, change, answer)
                self.revision = revision
                if self.state(self._clock.now()) is not FeedState.LIVE:
                    self._on_change()
                    return
            case _ if self._building is not None:
                return
            case _:
                self.revision = step.revision
        self._heard()

    def _heard(self) -> None:
        self._heard_at = self._clock.now()
        self._beats_since_heard = 0
        self._problem = ""
        self._on_change()

    async def _watch_silence(self) -> None:
        while True:
            await self._clock.sleep(self._heartbeat)
            self._beats_since_heard += 1
            self._beats_without_step += 1
            if self._beats_without_step > MISSED_UNTIL_CUT:
                self._doubt()
            self._on_change()

    def _doubt(self) -> None:
        """Open another stream: this one may lead to a peer that vanished without a word."""
        self._beats_without_step = 0
        self._problem = f"nothing heard for {MISSED_UNTIL_CUT} heartbeats"
        _log.warning("feed_doubted", feed=self.name)
        if self._source is not None:
            self._source.interrupt()


def why_not_believed(report: FeedReport) -> str:
    """Return in words why a feed cannot be believed to be current; empty when it can, or is merely late."""
    if report.state in (FeedState.LIVE, FeedState.LATE):
        return ""
    return f"the feed from {report.name} is {report.state.value}" + (f": {report.problem}" if report.problem else "")
