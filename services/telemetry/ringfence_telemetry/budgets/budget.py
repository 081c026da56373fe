"""A budget, how it stands for one subject, and when it begins anew: values, and the arithmetic on them.

The rules:

- levels are whole millionths and amounts whole numbers: 0.8 of 100 is crossed at 80, not past it;
- a period begins at a multiple of its length since 1970, so a day begins at midnight UTC; a budget without a period has
  one that began in 1970 and does not end;
- usage belongs to the period of its minute, whenever it is reported.
"""

import enum
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ringfence_kit.clock import EPOCH, Instant, Millis
from ringfence_kit.events import Revision

WHOLE = 1_000_000
"""The level at which a budget is used up."""


class Scope(enum.Enum):
    """Whom a budget is for: each one of a kind, or all together. The values are stored; they never change."""

    AGENT = "agent"
    SESSION = "session"
    TEAM = "team"
    MODEL = "model"
    EVERYTHING = "everything"


class Unit(enum.Enum):
    """What a budget is in. The values are stored; they never change."""

    COST = "cost"
    """Billionths of its currency."""
    TOKENS = "tokens"
    CALLS = "calls"
    """Of models and tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much of something may be spent in each period."""

    id: str
    uid: str
    revision: Revision
    display_name: str = ""
    scope: Scope
    subjects: tuple[str, ...] = ()
    """Only these, by name or with `*` at the end; none means each."""
    agents: tuple[str, ...] = ()
    """Only what these use counts, and only they are denied; named like `subjects`. None means everybody."""
    unit: Unit
    amount: int
    currency: str = ""
    period: Millis | None = None
    soft_levels: tuple[int, ...] = ()
    """Millionths, rising, each below the whole."""
    hard: bool = False
    created_at: Instant
    updated_at: Instant

    @property
    def name(self) -> str:
        """The resource name."""
        return f"budgets/{self.id}"

    @property
    def etag(self) -> str:
        """A strong etag. Revisions alone may come again after a restore from a backup."""
        change = f"{self.uid} {self.revision} {self.updated_at}"
        return f'"{self.revision}-{hashlib.sha256(change.encode()).hexdigest()[:12]}"'

    @property
    def levels(self) -> tuple[int, ...]:
        """Every level that raises an alert, rising."""
        return (*self.soft_levels, WHOLE)

    def covers(self, subject: str) -> bool:
        """Say whether `subject` has this budget."""
        return not self.subjects or any(covered_by(subject, each) for each in self.subjects)

    def counts(self, agent: str) -> bool:
        """Say whether what `agent` used counts."""
        return is_among(agent, self.agents)

    def start_at(self, at: Instant) -> Instant:
        """Return when the period that `at` lies in began."""
        return EPOCH if self.period is None else Instant(at - at % self.period)

    def end_of(self, start: Instant) -> Instant | None:
        """Return when the period that began at `start` ends; None when it does not."""
        return None if self.period is None else Instant(start + self.period)

    def crossed(self, spent: int) -> tuple[int, ...]:
        """Return the levels that `spent` has reached, rising."""
        return tuple(level for level in self.levels if spent * WHOLE >= level * self.amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a budget stands for one subject in one period."""

    budget: str
    """The budget's id."""
    subject: str
    start: Instant
    spent: int = 0
    """Late spans may take it below zero in a period long over; what is shown is not."""
    unknown_cost_calls: int = 0
    level: int = 0
    """The highest level that was told of, in millionths; 0 when none was."""
    due_at: Instant | None = None
    """When it has to be looked at again though nothing is spent: at the beginning or the end of its period."""

    @property
    def key(self) -> "StandingKey":
        """What makes it this one."""
        return self.budget, self.subject, self.start


StandingKey = tuple[str, str, Instant]
"""Budget, subject and beginning of the period."""


def is_among(agent: str, agents: Sequence[str]) -> bool:
    """Say whether `agent`, empty where nobody knows it, is meant by one of the patterns; without any, everybody is."""
    return not agents or (bool(agent) and any(covered_by(agent, each) for each in agents))


def covered_by(subject: str, pattern: str) -> bool:
    """Say whether a pattern, a name or its beginning and `*`, means `subject`."""
    return subject.startswith(pattern[:-1]) if pattern.endswith("*") else subject == pattern
