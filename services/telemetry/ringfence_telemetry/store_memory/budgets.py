"""Budgets in memory."""

from collections.abc import Collection, Mapping, Sequence

from ringfence_kit.clock import MINUTE, Instant
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable

from ringfence_telemetry.budgets.budget import Budget, Scope, Standing, StandingKey
from ringfence_telemetry.budgets.used import Used, hours_of, used_by, used_of
from ringfence_telemetry.store.budgets import StandingQuery, StoredBudgets
from ringfence_telemetry.store_memory.usage import USAGE
from ringfence_telemetry.usage_levels import HOUR, floor

BUDGETS: MemoryTable[str, Budget] = MemoryTable("budgets")
STANDINGS: MemoryTable[StandingKey, Standing] = MemoryTable("budget_standings")


class MemoryBudgetTx:
    """`BudgetRows` on rows in memory."""

    rows: MemoryRows

    def budgets(self) -> Sequence[Budget]:
        """See `BudgetRows`."""
        return _budgets(self.rows)

    def budget(self, budget_id: str) -> Budget | None:
        """See `BudgetRows`."""
        return self.rows.table(BUDGETS).get(budget_id)

    def keep_budget(self, budget: Budget) -> None:
        """See `BudgetRows`."""
        self.rows.table(BUDGETS)[budget.id] = budget

    def drop_budget(self, budget_id: str) -> None:
        """See `BudgetRows`."""
        self.rows.table(BUDGETS).pop(budget_id, None)

    def standings(self, keys: Collection[StandingKey]) -> Mapping[StandingKey, Standing]:
        """See `BudgetRows`."""
        found = self.rows.table(STANDINGS)
        return {key: found[key] for key in keys if key in found}

    def standings_in(self, budget_id: str, start: Instant) -> Sequence[Standing]:
        """See `BudgetRows`."""
        return [each for each in _standings(self.rows) if (each.budget, each.start) == (budget_id, start)]

    def standings_raised(self, budget_id: str) -> Sequence[Standing]:
        """See `BudgetRows`."""
        return [each for each in _standings(self.rows) if each.budget == budget_id and each.level]

    def standings_due(self, at: Instant, *, limit: int) -> Sequence[Standing]:
        """See `BudgetRows`."""
        due = [(each.due_at, each.budget, each.subject, each) for each in _standings(self.rows) if each.due_at]
        return [each for due_at, _, _, each in sorted(due, key=lambda row: row[:3]) if due_at <= at][:limit]

    def keep_standings(self, standings: Sequence[Standing]) -> None:
        """See `BudgetRows`."""
        self.rows.table(STANDINGS).update({each.key: each for each in standings})

    def drop_standings(self, budget_id: str) -> None:
        """See `BudgetRows`."""
        standings = self.rows.table(STANDINGS)
        for key in [key for key in standings if key[0] == budget_id]:
            del standings[key]

    def forget_standings(self, *, before: Instant, limit: int) -> int:
        """See `BudgetRows`."""
        standings = self.rows.table(STANDINGS)
        old = [key for key, each in standings.items() if 0 < each.start < before and not each.level][:limit]
        for key in old:
            del standings[key]
        return len(old)

    def used(
        self, scope: Scope, *, start: Instant, end: Instant | None, agents: Sequence[str] = ()
    ) -> Mapping[str, Used]:
        """See `BudgetRows`."""
        return _used(self.rows, scope, start, end, agents)


class MemoryBudgetStore:
    """A `BudgetStore` in memory."""

    _database: MemoryDatabase

    async def stored_budgets(self) -> StoredBudgets:
        """See `BudgetStore`."""
        revision, (budgets, standings) = await self._database.load(lambda rows: (_budgets(rows), _standings(rows)))
        return StoredBudgets(revision=revision, budgets=budgets, raised=[each for each in standings if each.level])

    async def budget_standings(self, query: StandingQuery) -> Sequence[Standing]:
        """See `BudgetStore`."""
        found = await self._database.read(_standings)
        asked = [each for each in found if _asked(each, query)]
        return sorted(asked, key=lambda each: (-each.spent, each.subject))[: query.limit]

    async def any_standing_due(self, at: Instant) -> bool:
        """See `BudgetStore`."""
        found = await self._database.read(_standings)
        return any(each.due_at is not None and each.due_at <= at for each in found)

    async def usage_by(
        self, scope: Scope, *, start: Instant, end: Instant | None, agents: Sequence[str] = ()
    ) -> Mapping[str, Used]:
        """See `BudgetStore`."""
        return await self._database.read(lambda rows: _used(rows, scope, start, end, agents))

    async def usage_by_hour(
        self, agents: Sequence[str], *, before: Instant, hours: int
    ) -> Mapping[str, Sequence[Used]]:
        """See `BudgetStore`."""
        end = floor(before // MINUTE, HOUR)
        rows = await self._database.read(lambda rows: dict(rows.table(USAGE)))
        found: dict[str, dict[int, Used]] = {}
        for key, row in rows.items():
            if key.agent in agents and not key.untrusted and end - hours * HOUR <= key.minute < end:
                by_hour = found.setdefault(key.agent, {})
                by_hour.setdefault(floor(key.minute, HOUR), Used()).add(used_of(key, row.counts))
        return {agent: hours_of(by_minute, end=end, step=HOUR) for agent, by_minute in found.items()}


def _budgets(rows: MemoryRows) -> list[Budget]:
    return [budget for _, budget in sorted(rows.table(BUDGETS).items())]


def _standings(rows: MemoryRows) -> list[Standing]:
    return sorted(rows.table(STANDINGS).values(), key=lambda each: each.subject)


def _asked(standing: Standing, query: StandingQuery) -> bool:
    return (
        (standing.budget, standing.start) == (query.budget, query.start)
        and query.subject in (None, standing.subject)
        and (
            query.namespaces is None
            or any(standing.subject.startswith(f"namespaces/{each}/agents/") for each in query.namespaces)
        )
    )


def _used(
    rows: MemoryRows, scope: Scope, start: Instant, end: Instant | None, agents: Sequence[str]
) -> dict[str, Used]:
    found: dict[str, Used] = {}
    for subject, at, used in used_by({key: row.counts for key, row in rows.table(USAGE).items()}).each(scope, agents):
        if at >= start and (end is None or at < end):
            found.setdefault(subject, Used()).add(used)
    return found
