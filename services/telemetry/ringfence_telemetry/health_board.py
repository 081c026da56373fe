"""The health of every agent as it stands, and whoever watches it.

The rules:

- what happened to an agent is told once a second at most, and to any number of watchers;
- what is judged of an agent (its circuit, its objectives, what to do about it) is told with it, with the time until
  which it may be relied on; while it is more than nothing it is told again before that time is over, calls or not;
- a watcher is told the latest of each agent: one that reads slowly misses what was between, never what is; so it
  costs no more memory than the board, and is never cut off;
- an agent of whom no call was seen for a whole window, and nothing is judged, is forgotten, and watchers are told;
- agents are bounded: of those beyond, nothing is known, and they are counted.

Calls are counted when they are stored, so a transaction that is tried again counts them once. Nothing here outlives the
process: after a restart nothing is known until calls are seen.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from ringfence_kit.clock import SECOND, Clock, Instant, Millis
from ringfence_kit.errors import RevisionCompacted, RevisionInFuture
from ringfence_kit.events import Bookmark, Change, Revision
from ringfence_kit.state_watch import StateComplete

from ringfence_telemetry.health_window import AgentCall, Figures, HealthWindow, first_slot, slot_of

AGENTS_MAX = 10_000
"""Agents, and revisions of agents, of whom anything is known at a time."""
TELLS_MAX = 1_000
"""Agents told of in one beat; the others wait for the next, so that nobody waits for their quantiles."""
BEAT = Millis(SECOND)
BEATS_PER_HEARTBEAT = 5
BEATS_PER_JUDGEMENT = 5
"""How often what is judged is looked at, though no call came."""
RELIED_ON = Millis(60 * SECOND)
"""How long what is judged may be relied on."""
TOLD_AGAIN = Millis(20 * SECOND)
"""How long before its end it is told again: what a slow reader or a short break needs, twice."""

_RESOLUTION = 1_000
"""Revisions to a millisecond: those of a new process begin above all that an older one can have used up."""


class Subject(NamedTuple):
    """Whose health it is."""

    agent: str
    revision: str = ""
    """Empty for all revisions together."""
    skill: str = ""
    """Empty for all skills together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What is judged of an agent."""

    circuit: str = ""
    """CLOSED, OPEN or HALF_OPEN; empty when there is none."""
    slo: str = ""
    """MET, AT_RISK, BURNING, BREACHED or NO_DATA; empty without an objective."""
    order: int = 0
    """What the mesh should do, as the number of the contract's `DegradeOrder`; 0 when nothing is known."""
    budget_left: str = ""
    """Share of the error budget, as a decimal; empty without an objective."""
    version: int = 0
    """Grows with every change of circuit or order."""


NOTHING_JUDGED = Judged()


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How an agent does, as of `at`; without calls it is forgotten."""

    subject: Subject
    figures: Figures
    at: Instant
    judged: Judged = NOTHING_JUDGED
    until: Instant | None = None
    """Until when what is judged may be relied on; None when nothing is."""


class Objectives(Protocol):
    """Who judges, from the same calls, whether an agent keeps its objectives and whether it should be called at all."""

    def saw(self, calls: Sequence[AgentCall]) -> None:
        """Judge by calls."""
        ...

    def judged(self, subject: Subject) -> Judged:
        """Return what is judged of it."""
        ...

    def slow_after(self, agent: str, skill: str) -> Millis | None:
        """Return after how long a call of an agent and skill is slow; None when nobody promised a time."""
        ...

    def notable(self) -> Iterable[Subject]:
        """Return of whom something is judged that callers should know, though nobody calls them."""
        ...


class NoObjectives:
    """Nobody judges."""

    def saw(self, calls: Sequence[AgentCall]) -> None:
        """See `Objectives`."""

    def judged(self, _subject: Subject) -> Judged:
        """See `Objectives`."""
        return NOTHING_JUDGED

    def slow_after(self, _agent: str, _skill: str) -> Millis | None:
        """See `Objectives`."""
        return None

    def notable(self) -> Iterable[Subject]:
        """See `Objectives`."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChange:
    """What a watcher is told of one agent."""

    change: Change
    health: Health
    """On DELETED, what was last known."""
    revision: Revision


HealthItem: TypeAlias = HealthChange | StateComplete | Bookmark


class _Watcher:
    """Whom one watcher knows, and of whom it has yet to be told."""

    __slots__ = ("beats", "due", "known", "news")

    def __init__(self, *, beats: int) -> None:
        self.due: dict[Subject, Revision] = {}
        """The last change of each, longest ago first."""
        self.known: dict[Subject, Health] = {}
        self.beats = beats
        self.news = asyncio.Event()

    def owe(self, subject: Subject, revision: Revision) -> None:
        """Note that `subject` changed; what was owed of it before is not told any more."""
        self.due.pop(subject, None)
        self.due[subject] = revision


class HealthBoard:
    """Counts calls, and tells watchers what they come to while `run` runs."""

    def __init__(self, *, clock: Clock, objectives: Objectives | None = None, agents_max: int = AGENTS_MAX) -> None:
        self._clock = clock
        self._objectives = objectives or NoObjectives()
        self._agents_max = agents_max
        self._windows: dict[Subject, HealthWindow] = {}
        self._changed: dict[Subject, None] = {}
        """Whose figures changed since they were told, longest ago first."""
        self._shown: dict[Subject, Health] = {}
        self._notable: frozenset[Subject] = frozenset()
        """Who is shown though nobody calls it."""
        self._watchers: set[_Watcher] = set()
        self._revision = Revision(clock.now() * _RESOLUTION)
        self._oldest_slot = 0
        self._beats = 0
        self._beat_at = clock.now()
        self.overflowed = 0
        """Calls that were not counted, because the board was full."""

    @property
    def agents(self) -> int:
        """Agents and revisions of whom something is known."""
        return len(self._windows)

    @property
    def watchers(self) -> int:
        """Streams that are open."""
        return len(self._watchers)

    def saw(self, calls: Sequence[AgentCall]) -> None:
        """Count calls; those older than the window, out of a backlog, say nothing about now."""
        self._objectives.saw(calls)
        oldest = first_slot(self._clock.now())
        for call in calls:
            if slot_of(call.received_at) < oldest:
                continue
            slow_after = self._objectives.slow_after(call.agent, call.skill)
            slow = slow_after is not None and call.duration_micros > slow_after * 1_000
            self._count(Subject(call.agent), call, slow=slow)
            if call.revision:
                self._count(Subject(call.agent, revision=call.revision), call, slow=slow)
            if call.skill:
                self._count(Subject(call.agent, skill=call.skill), call, slow=slow)

    async def run(self) -> None:
        """Tell watchers what changed, every second, and that nothing did, every five. Runs until cancelled."""
        while True:
            await self._clock.sleep(BEAT)
            self.beat()

    def beat(self) -> None:
        """Tell what changed since the last beat, as far as that is not too much for one."""
        now = self._clock.now()
        self._slide(first_slot(now))
        if self._beats % BEATS_PER_JUDGEMENT == 0:
            self._judge_again()
        for subject in list(itertools.islice(self._changed, TELLS_MAX)):
            del self._changed[subject]
            self._show(subject, now)
        self._beats += 1
        self._beat_at = now
        for watcher in self._watchers:
            if watcher.due or self._heartbeats() != watcher.beats:
                watcher.news.set()

    async def watch(self, *, send_state: bool, start_revision: Revision | None) -> AsyncGenerator[HealthItem, None]:
        """Yield the state, when it is asked for, and then every change, until closed (`contextlib.aclosing`).

        `start_revision` is the first revision wanted, None from now on. Raises `RevisionCompacted` when changes lie
        between it and now: they are not kept; and `RevisionInFuture`.
        """
        self._check_reachable(start_revision)
        watcher = _Watcher(beats=self._heartbeats())
        self._watchers.add(watcher)
        try:
            async for item in self._told(watcher, send_state=send_state, resumes=start_revision is not None):
                yield item
        finally:
            self._watchers.discard(watcher)

    async def _told(self, watcher: _Watcher, *, send_state: bool, resumes: bool) -> AsyncGenerator[HealthItem, None]:
        began, standing = self._revision, list(self._shown.values())
        watcher.known = {health.subject: health for health in standing}
        if send_state:
            for health in standing:
                yield HealthChange(change=Change.ADDED, health=health, revision=began)
            yield StateComplete(revision=began, at=self._clock.now())
        elif not resumes:
            yield Bookmark(revision=began, at=self._clock.now())
        while True:
            while watcher.due:
                change = self._next(watcher)
                if change is not None:
                    yield change
            if watcher.beats != self._heartbeats():
                watcher.beats = self._heartbeats()
                yield Bookmark(revision=self._revision, at=self._beat_at)
                continue
            watcher.news.clear()
            await watcher.news.wait()

    def _next(self, watcher: _Watcher) -> HealthChange | None:
        """Return what to tell next; None when it came and went while the watcher was busy."""
        subject = next(iter(watcher.due))
        revision = watcher.due.pop(subject)
        shown, known = self._shown.get(subject), watcher.known.get(subject)
        if shown is not None:
            watcher.known[subject] = shown
            change = Change.ADDED if known is None else Change.MODIFIED
            return HealthChange(change=change, health=shown, revision=revision)
        if known is None:
            return None
        del watcher.known[subject]
        return HealthChange(change=Change.DELETED, health=known, revision=revision)

    def _judge_again(self) -> None:
        """Find of whom another thing is judged than was told, or what was told is running out."""
        now = self._clock.now()
        before_notable, self._notable = self._notable, frozenset(self._objectives.notable())
        for subject in before_notable - self._notable:
            if subject in self._windows:
                self._changed[subject] = None
        for subject in {*self._shown, *self._notable}:
            shown = self._shown.get(subject)
            before = NOTHING_JUDGED if shown is None else shown.judged
            runs_out = shown is not None and shown.until is not None and shown.until - now <= RELIED_ON - TOLD_AGAIN
            if runs_out or self._objectives.judged(subject) != before:
                self._window(subject)
                self._changed[subject] = None

    def _window(self, subject: Subject) -> HealthWindow | None:
        window = self._windows.get(subject)
        if window is None and len(self._windows) < self._agents_max:
            window = self._windows[subject] = HealthWindow()
        return window

    def _count(self, subject: Subject, call: AgentCall, *, slow: bool) -> None:
        window = self._window(subject)
        if window is None:
            self.overflowed += 1
            return
        window.add(call, slow=slow)
        self._changed[subject] = None

    def _slide(self, oldest: int) -> None:
        if oldest == self._oldest_slot:
            return
        self._oldest_slot = oldest
        for subject, window in self._windows.items():
            if window.forget_before(oldest):
                self._changed[subject] = None

    def _show(self, subject: Subject, now: Instant) -> None:
        window = self._windows.get(subject)
        if window is None:
            return
        self._revision = Revision(self._revision + 1)
        judged = self._objectives.judged(subject)
        if window.calls or subject in self._notable:
            self._shown[subject] = Health(
                subject=subject,
                figures=window.figures(),
                at=now,
                judged=judged,
                until=None if judged == NOTHING_JUDGED else Instant(now + RELIED_ON),
            )
        else:
            del self._windows[subject]
            self._shown.pop(subject, None)
        for watcher in self._watchers:
            watcher.owe(subject, self._revision)

    def _heartbeats(self) -> int:
        return self._beats // BEATS_PER_HEARTBEAT

    def _check_reachable(self, start: Revision | None) -> None:
        if start is None or start == self._revision + 1:
            return
        if start > self._revision:
            raise RevisionInFuture(requested=start, newest=self._revision)
        raise RevisionCompacted(requested=start, oldest=self._revision + 1)
