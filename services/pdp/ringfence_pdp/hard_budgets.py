"""Hard budgets as telemetry tells of them: who has one, and who may spend no more of it until when.

Limits of policies count calls as they are let through here; these are counted by telemetry, from what was reported when
it was done. A `Spending` never changes: what is told anew makes another one.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from ringfence_kit.clock import Instant, Millis


class BudgetScope(enum.Enum):
    """Whom a budget is for: each one of a kind, or all together."""

    AGENT = "agent"
    SESSION = "session"
    TEAM = "team"
    MODEL = "model"
    EVERYTHING = "everything"


Spender: TypeAlias = tuple[BudgetScope, str]
"""Who spends, as far as one kind of budget is concerned: empty for everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardBudget:
    """A budget that is enforced."""

    name: str
    """`budgets/{budget}`."""
    scope: BudgetScope
    subjects: tuple[str, ...] = ()
    """Only these, by name or with `*` at the end; none means each."""
    agents: tuple[str, ...] = ()
    """Whose usage counts and who is denied, named like `subjects`; none means everybody."""
    unit: str = ""
    """What it is in, for a person: `tokens`, `calls`, or a currency."""
    nanos: bool = False
    """Whether its amounts are billionths of that."""

    def amount(self, amount: int) -> str:
        """Return an amount of it for a person: `12.50 EUR`, `1,200 tokens`."""
        if not self.nanos:
            return f"{amount:,} {self.unit}"
        whole, rest = divmod(amount, 10**9)
        return f"{whole:,}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')} {self.unit}"

    def covers(self, spender: Spender) -> bool:
        """Say whether `spender` has it."""
        scope, subject = spender
        return scope is self.scope and _is_among(subject, self.subjects)

    def binds(self, spenders: Iterable[Spender]) -> bool:
        """Say whether it is for the agent among `spenders`, by any of its names."""
        return not self.agents or any(
            scope is BudgetScope.AGENT and _is_among(subject, self.agents) for scope, subject in spenders
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedUp:
    """A budget of which nothing is left for somebody."""

    budget: str
    """`budgets/{budget}`."""
    subject: str
    spent: str
    """How much of how much, for a person: `12.50 EUR of 10.00 EUR`."""
    ends_at: Instant | None = None
    """When its period ends; None for one that does not."""


class Spending(NamedTuple):
    """What is known of hard budgets at one moment."""

    hard: Mapping[str, HardBudget] = MappingProxyType({})
    """By name."""
    used_up: Mapping[Spender, tuple[UsedUp, ...]] = MappingProxyType({})
    silent_for: Millis | None = None
    """For how long telemetry has said nothing, once that is too long to rely on it; None while it may be relied on."""

    @property
    def to_look_at(self) -> bool:
        """Whether anybody may have to be denied: most of the time nobody."""
        return bool(self.used_up) or (self.silent_for is not None and bool(self.hard))

    def nothing_left(self, spenders: Sequence[Spender], now: Instant) -> UsedUp | None:
        """Return what is used up for any of `spenders`; of several, what is renewed last."""
        found = [
            each
            for spender in spenders
            for each in self.used_up.get(spender, ())
            if _lasts(each, now) and self.hard[each.budget].binds(spenders)
        ]
        return max(found, key=lambda each: _FOR_EVER if each.ends_at is None else each.ends_at, default=None)

    def in_doubt(self, spenders: Sequence[Spender]) -> HardBudget | None:
        """Return a budget any of `spenders` has and nobody knows the state of."""
        if self.silent_for is None:
            return None
        return next(self._of(spenders), None)

    def _of(self, spenders: Sequence[Spender]) -> Iterator[HardBudget]:
        return (
            budget
            for budget in self.hard.values()
            if any(budget.covers(spender) for spender in spenders) and budget.binds(spenders)
        )


NOTHING_SPENT = Spending()


class SpendingView:
    """What telemetry has told, as it is told."""

    def __init__(self) -> None:
        self._hard: dict[str, HardBudget] = {}
        self._used_up: dict[tuple[str, str], UsedUp] = {}
        self._made: Spending | None = None

    def budget(self, name: str) -> HardBudget | None:
        """Return a budget that is known."""
        return self._hard.get(name)

    def put_budget(self, budget: HardBudget) -> None:
        """Know a budget."""
        self._hard[budget.name] = budget
        self._made = None

    def drop_budget(self, name: str) -> None:
        """Forget a budget, and whatever was used up of it."""
        self._hard.pop(name, None)
        self._used_up = {key: each for key, each in self._used_up.items() if key[0] != name}
        self._made = None

    def use_up(self, used_up: UsedUp) -> None:
        """Know that nothing is left of a budget for somebody."""
        self._used_up[used_up.budget, used_up.subject] = used_up
        self._made = None

    def leave_some(self, budget: str, subject: str) -> None:
        """Know that something is left of a budget for somebody."""
        if self._used_up.pop((budget, subject), None) is not None:
            self._made = None

    def spending(self) -> Spending:
        """Return what is known, the same object until something is told."""
        if self._made is None:
            used_up: dict[Spender, tuple[UsedUp, ...]] = {}
            for each in self._used_up.values():
                budget = self._hard.get(each.budget)
                if budget is not None:
                    spender = (budget.scope, each.subject)
                    used_up[spender] = (*used_up.get(spender, ()), each)
            self._made = Spending(MappingProxyType(dict(self._hard)), MappingProxyType(used_up))
        return self._made


_FOR_EVER = Instant(2**63)


def _lasts(used_up: UsedUp, now: Instant) -> bool:
    return used_up.ends_at is None or now < used_up.ends_at


def _is_among(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(_is_meant(name, each) for each in patterns)


def _is_meant(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
