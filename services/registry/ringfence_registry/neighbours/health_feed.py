"""Telemetry's watch of health: how agents did lately, and canaries that do harm.

The rules:

- what telemetry said of an agent holds for one window from the end of the one it is about, and then nothing is known,
  whether telemetry forgot the agent, fell silent or went away; what it judged (circuit, objective, order) holds for as
  long as telemetry says, and then that is not known;
- spans name an agent by its name or by the DID of one of its environments: of what is said under them, that counts
  which is about the most calls;
- a revision whose objective is breached is told as often as it is heard; to end its rollout once is the teller's care.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar

from ringfence.watch import Change
from ringfence.watch_position import WatchAnswer
from ringfence_kit.clock import MINUTE, Clock, Instant, Millis
from ringfence_kit.feeds import Feed, FeedReport, Source

from ringfence_registry.finding.views import Followed, Health, Slo

Answer = TypeVar("Answer", bound=WatchAnswer)

WINDOW = Millis(5 * MINUTE)
"""What telemetry's figures are about."""


class Subject(NamedTuple):
    """Whose health it is."""

    agent: str
    """Resource name or DID."""
    revision: str
    """Empty for all revisions together."""
    skill: str = ""
    """Empty for all skills together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """What telemetry said of one agent, or of one revision of it."""

    subject: Subject
    health: Health
    window_end: Instant
    judged_until: Instant | None = None
    """Until when circuit and order may be relied on; past it, nothing is known of them. None: as long as the rest."""


Breached = Callable[[str, str], None]
"""Is told the agent and the revision whose objective is breached."""


class _View(dict[Subject, Health]):
    """What was said, and of which skills of each agent."""

    def __init__(self) -> None:
        super().__init__()
        self.skills: dict[str, set[str]] = {}

    def put(self, subject: Subject, health: Health) -> None:
        """Know how `subject` does."""
        self[subject] = health
        if subject.skill:
            self.skills.setdefault(subject.agent, set()).add(subject.skill)

    def drop(self, subject: Subject) -> None:
        """Forget it."""
        self.pop(subject, None)
        self.skills.get(subject.agent, set()).discard(subject.skill)


class HealthFeed(Generic[Answer]):
    """A `HealthView`, at work inside `async with following()`."""

    def __init__(
        self,
        *,
        source: Callable[[], Source[Answer]],
        read: Callable[[Answer], HealthReport],
        dids_of: Callable[[str], Iterable[str]],
        name_of: Callable[[str], str | None],
        on_breach: Breached,
        clock: Clock,
        on_report: Callable[[FeedReport], None] = lambda _: None,
    ) -> None:
        """`dids_of` an agent's name and `name_of` a DID are as identity says; `on_report` hears how the feed stands."""
        self._read = read
        self._dids_of = dids_of
        self._name_of = name_of
        self._on_breach = on_breach
        self._clock = clock
        self._on_report = on_report
        self._followed: list[Followed] = []
        self._feed: Feed[Answer, _View] = Feed(
            "telemetry",
            new_source=source,
            new_view=_View,
            take=self._took,
            clock=clock,
            on_change=self._looked,
        )
        self._seen = self._feed.view
        """The view that was told of; another one is in place after a break."""

    def follow(self, changed: Followed) -> None:
        """See `HealthView`."""
        self._followed.append(changed)

    def following(self) -> AbstractAsyncContextManager[None]:
        """Follow telemetry beside the block. Nothing is waited for."""
        return self._feed.following()

    def report(self, now: Instant) -> FeedReport:
        """Return how the feed stands."""
        return self._feed.report(now)

    def health(self, agent: str, now: Instant) -> Health | None:
        """See `HealthView`."""
        named = (agent, *self._dids_of(agent))
        said = [health for each in named if (health := self._said_of(each, now)) is not None]
        if not said:
            return None
        skills = [(skill, health) for each in named for skill, health in self._skills_of(each, now)]
        # The answer is another as soon as any of them has aged out.
        ends = [health.until for health in (*said, *(health for _, health in skills)) if health.until is not None]
        circuits = tuple(
            sorted({skill: health.circuit for skill, health in skills if health.circuit is not None}.items())
        )
        return replace(max(said, key=lambda health: health.calls), circuits=circuits, until=min(ends, default=None))

    def _skills_of(self, agent: str, now: Instant) -> Iterable[tuple[str, Health]]:
        for skill in self._seen.skills.get(agent, ()):
            health = self._said_of(agent, now, skill)
            if health is not None:
                yield skill, health

    def _said_of(self, agent: str, now: Instant, skill: str = "") -> Health | None:
        health = self._seen.get(Subject(agent, "", skill))
        if health is None or health.until is None or now >= health.until:
            return None
        judged_until = health.judged_until
        if judged_until is None:
            return health
        if now >= judged_until:
            return replace(health, circuit=None, slo=None, order=None, judged_until=None)
        return replace(health, until=min(health.until, judged_until), judged_until=None)

    def _took(self, view: _View, change: Change, answer: Answer) -> None:
        said = self._read(answer)
        if change is Change.DELETED:
            view.drop(said.subject)
        else:
            # A clock ahead of ours does not make figures last longer.
            ends = min(said.window_end, self._clock.now()) + WINDOW
            judged = None if said.judged_until is None else min(said.judged_until, Instant(self._clock.now() + WINDOW))
            view.put(said.subject, replace(said.health, until=Instant(ends), judged_until=judged))
        if view is self._seen:
            self._tell(said.subject)

    def _looked(self) -> None:
        before, self._seen = self._seen, self._feed.view
        if before is not self._seen:
            for subject in {*before, *self._seen}:
                if before.get(subject) != self._seen.get(subject):
                    self._tell(subject)
        self._on_report(self._feed.report(self._clock.now()))

    def _tell(self, subject: Subject) -> None:
        name = self._name_of(subject.agent)
        if subject.revision:
            health = self._seen.get(subject)
            if health is not None and health.slo is Slo.BREACHED:
                self._on_breach(name or subject.agent, subject.revision)
            return
        for listener in self._followed:
            listener(subject.agent)
            if name is not None:
                listener(name)
