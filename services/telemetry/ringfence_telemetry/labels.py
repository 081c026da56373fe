"""How many different names one reporter may bring a day: the rest share one name, so no sender can fill our memory.

The rules:

- names are counted by kind (agent, session, model), reporter and day of receipt; a new day starts anew;
- a name admitted once stays admitted that day, and one that came too late is folded into `overflow`, which is counted;
- which names were admitted is stored with the usage they were counted in, so a replay folds the same ones.
"""

import enum
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from ringfence_kit.clock import DAY, Instant

from ringfence_telemetry.reporters import Binding
from ringfence_telemetry.spans import SpanFact

OVERFLOW = "overflow"


class LabelKind(enum.Enum):
    """What is named."""

    AGENT = "agent"
    SESSION = "session"
    MODEL = "model"


class Label(NamedTuple):
    """A name that was admitted."""

    day: int
    """Days since the epoch."""
    kind: LabelKind
    principal: str
    """The reporter that brought it."""
    label: str


class LabelLimits(NamedTuple):
    """How many names of each kind a reporter may bring a day."""

    agents: int = 10_000
    sessions: int = 200_000
    models: int = 1_000


class LabelBook:
    """The names admitted today, and yesterday while a backlog of it is worked off."""

    def __init__(self, limits: LabelLimits) -> None:
        self._limits = {
            LabelKind.AGENT: limits.agents,
            LabelKind.SESSION: limits.sessions,
            LabelKind.MODEL: limits.models,
        }
        self._admitted: dict[tuple[int, LabelKind, str], set[str]] = {}
        self._fresh: list[Label] = []
        self.overflowed = 0
        """Names folded since the start."""

    def restore(self, labels: Iterable[Label]) -> None:
        """Start again from what is stored."""
        self._admitted.clear()
        self._fresh.clear()
        for label in labels:
            self._admitted.setdefault(label[:3], set()).add(label.label)

    def take_fresh(self) -> list[Label]:
        """Return the names admitted since the last call: they are to be stored."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def naming(self, binding: Binding, *, received_at: Instant) -> "Naming":
        """Return how one reporter's spans, received at one moment, are named."""
        day, principal = received_at // DAY, binding.reporter.principal
        return Naming(self, binding, *[self._names(day, kind, principal) for kind in LabelKind])

    def forget_before(self, received_at: Instant) -> None:
        """Drop the days before the one before `received_at`'s."""
        oldest = received_at // DAY - 1
        self._admitted = {key: labels for key, labels in self._admitted.items() if key[0] >= oldest}

    def admit(self, names: "Names", name: str) -> str:
        """Return `name`, admitted, or `overflow` when it comes too late."""
        if len(names.admitted) >= self._limits[names.kind]:
            self.overflowed += 1
            return OVERFLOW
        names.admitted.add(name)
        self._fresh.append(Label(names.day, names.kind, names.principal, name))
        return name

    def _names(self, day: int, kind: LabelKind, principal: str) -> "Names":
        return Names(self._admitted.setdefault((day, kind, principal), set()), day, kind, principal)


class Names(NamedTuple):
    """The names of one kind that one reporter brought on a day."""

    admitted: set[str]
    day: int
    kind: LabelKind
    principal: str


class Naming:
    """Puts the names that count into a request's facts."""

    def __init__(self, book: LabelBook, binding: Binding, agents: Names, sessions: Names, models: Names) -> None:
        self._book = book
        self._binding = binding
        self._agents = agents
        self._sessions = sessions
        self._models = models

    def name(self, fact: SpanFact) -> tuple[SpanFact, bool]:
        """Return `fact` with the agent that is meant and every name that came too late folded, and whether its reporter
        may speak for that agent."""
        agent, trusted = self._binding.attribution(fact.agent)
        session, model = fact.session, fact.model
        if agent and agent not in self._agents.admitted and not self._binding.binds(agent):
            agent = self._book.admit(self._agents, agent)
        if session and session not in self._sessions.admitted:
            session = self._book.admit(self._sessions, session)
        if model and model not in self._models.admitted:
            model = self._book.admit(self._models, model)
        if agent == fact.agent and session == fact.session and model == fact.model:
            return fact, trusted
        return msgspec.structs.replace(fact, agent=agent, session=session, model=model), trusted
