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

    def name(self, fact: SpanFact, binding: Binding, *, received_at: Instant) -> tuple[SpanFact, bool]:
        """Return `fact` with the agent that is meant and every name that came too late folded, and whether its reporter
        may speak for that agent."""
        day, principal = received_at // DAY, binding.reporter.principal
        agent, trusted = binding.attribution(fact.agent)
        if not binding.binds(agent):
            agent = self._admit(day, LabelKind.AGENT, principal, agent)
        session = self._admit(day, LabelKind.SESSION, principal, fact.session)
        model = self._admit(day, LabelKind.MODEL, principal, fact.model)
        if agent == fact.agent and session is fact.session and model is fact.model:
            return fact, trusted
        return msgspec.structs.replace(fact, agent=agent, session=session, model=model), trusted

    def forget_before(self, received_at: Instant) -> None:
        """Drop the days before the one before `received_at`'s."""
        oldest = received_at // DAY - 1
        self._admitted = {key: labels for key, labels in self._admitted.items() if key[0] >= oldest}

    def _admit(self, day: int, kind: LabelKind, principal: str, label: str) -> str:
        if not label:
            return label
        key = day, kind, principal
        admitted = self._admitted.get(key)
        if admitted is None:
            admitted = self._admitted[key] = set()
        if label in admitted:
            return label
        if len(admitted) >= self._limits[kind]:
            self.overflowed += 1
            return OVERFLOW
        admitted.add(label)
        self._fresh.append(Label(day, kind, principal, label))
        return label
