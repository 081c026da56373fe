"""What budgets ask of storage."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision

from ringfence_telemetry.budgets.budget import Budget, Scope, Standing, StandingKey
from ringfence_telemetry.budgets.used import Used
from ringfence_telemetry.store.alerts import AlertTx


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBudgets:
    """All budgets, and what was told of them, as of one moment."""

    revision: Revision
    budgets: Sequence[Budget]
    """By id."""
    raised: Sequence[Standing]
    """Those with a level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingQuery:
    """Whose standing to read."""

    budget: str
    start: Instant
    """Of the period."""
    subject: str | None = None
    """Only this one's; None means everybody's."""
    namespaces: tuple[str, ...] | None = None
    """Only those of agents of these namespaces; None means all."""
    limit: int


class BudgetRows(Protocol):
    """Budgets in a transaction. Reads see the transaction's own writes."""

    def budgets(self) -> Sequence[Budget]:
        """Return all budgets, by id."""
        ...

    def budget(self, budget_id: str) -> Budget | None:
        """Return a budget, or None."""
        ...

    def keep_budget(self, budget: Budget) -> None:
        """Keep a budget as it is now."""
        ...

    def drop_budget(self, budget_id: str) -> None:
        """Forget a budget."""
        ...

    def standings(self, keys: Collection[StandingKey]) -> Mapping[StandingKey, Standing]:
        """Return the standings of `keys`; those of whom nothing is known are absent."""
        ...

    def standings_in(self, budget_id: str, start: Instant) -> Sequence[Standing]:
        """Return everybody's standing in the period that began at `start`, by subject."""
        ...

    def standings_raised(self, budget_id: str) -> Sequence[Standing]:
        """Return the standings with a level, of any period, by subject."""
        ...

    def standings_due(self, at: Instant, *, limit: int) -> Sequence[Standing]:
        """Return up to `limit` standings that are due at `at`, the longest due first."""
        ...

    def keep_standings(self, standings: Sequence[Standing]) -> None:
        """Keep standings as they are now; of a key there is one."""
        ...

    def drop_standings(self, budget_id: str) -> None:
        """Forget everybody's standing."""
        ...

    def forget_standings(self, *, before: Instant, limit: int) -> int:
        """Forget up to `limit` standings without a level of periods that began before an instant; return how many.

        Those of a budget without a period began in 1970 and stay.
        """
        ...

    def used(
        self, scope: Scope, *, start: Instant, end: Instant | None, agents: Sequence[str] = ()
    ) -> Mapping[str, Used]:
        """Return what the subjects of a scope used from `start` until before `end`, as the totals have it.

        Only what trusted reporters reported, and what `agents` used, where some are named as a budget names them. For
        EVERYTHING the one subject is empty.
        """
        ...


class BudgetTx(BudgetRows, AlertTx, Protocol):
    """What budgets are kept with."""


class BudgetStore(Protocol):
    """Reads of budgets outside a mutation."""

    async def stored_budgets(self) -> StoredBudgets:
        """Return all budgets and what was told of them."""
        ...

    async def budget_standings(self, query: StandingQuery) -> Sequence[Standing]:
        """Return standings, the most spent first, ties by subject."""
        ...

    async def any_standing_due(self, at: Instant) -> bool:
        """Say whether a standing is due at `at`."""
        ...

    async def usage_by(
        self, scope: Scope, *, start: Instant, end: Instant | None, agents: Sequence[str] = ()
    ) -> Mapping[str, Used]:
        """Return what `BudgetRows.used` returns."""
        ...

    async def usage_by_hour(
        self, agents: Sequence[str], *, before: Instant, hours: int
    ) -> Mapping[str, Sequence[Used]]:
        """Return what agents used in each of the `hours` whole hours that end at `before` or earlier, the oldest first.

        The hours of an agent begin with the first in which it used anything; agents that used nothing are absent. Only
        what trusted reporters reported.
        """
        ...
