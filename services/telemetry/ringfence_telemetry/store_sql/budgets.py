"""Budgets in SQL."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import MINUTE, Instant
from ringfence_kit.sql import Database

from ringfence_telemetry.budgets.budget import Budget, Scope, Standing, StandingKey
from ringfence_telemetry.budgets.used import MODEL_OPERATIONS, Used, hours_of
from ringfence_telemetry.store.budgets import StandingQuery, StoredBudgets
from ringfence_telemetry.store_sql.statements import batches, of_namespaces, replace_row, replace_rows
from ringfence_telemetry.tables.budgets import budget_standings, budgets
from ringfence_telemetry.tables.usage import agent_usage, rollups, session_usage
from ringfence_telemetry.usage import UNATTRIBUTED
from ringfence_telemetry.usage_levels import HOUR, floor, page_of

_REMEMBERED = 4_096

NANOS = 10**9


class SqlBudgetTx:
    """`BudgetRows` on a connection."""

    connection: sa.Connection

    def budgets(self) -> Sequence[Budget]:
        """See `BudgetRows`."""
        return _budgets(self.connection)

    def budget(self, budget_id: str) -> Budget | None:
        """See `BudgetRows`."""
        record = self.connection.scalar(sa.select(budgets.c.record).where(budgets.c.id == budget_id))
        return None if record is None else _budget(bytes(record))

    def keep_budget(self, budget: Budget) -> None:
        """See `BudgetRows`."""
        replace_row(self.connection, budgets, {"id": budget.id, "record": records.encode(budget)})

    def drop_budget(self, budget_id: str) -> None:
        """See `BudgetRows`."""
        self.connection.execute(sa.delete(budgets).where(budgets.c.id == budget_id))

    def standings(self, keys: Collection[StandingKey]) -> Mapping[StandingKey, Standing]:
        """See `BudgetRows`."""
        subjects: dict[tuple[str, Instant], list[str]] = {}
        for budget, subject, start in keys:
            subjects.setdefault((budget, start), []).append(subject)
        found: dict[StandingKey, Standing] = {}
        for (budget, start), named in subjects.items():
            for some in batches(named):
                where = _in_period(budget, start), budget_standings.c.subject.in_(some)
                found.update((each.key, each) for each in self._where(*where))
        return found

    def standings_in(self, budget_id: str, start: Instant) -> Sequence[Standing]:
        """See `BudgetRows`."""
        return self._where(_in_period(budget_id, start))

    def standings_raised(self, budget_id: str) -> Sequence[Standing]:
        """See `BudgetRows`."""
        return self._where(budget_standings.c.budget == budget_id, budget_standings.c.level > 0)

    def standings_due(self, at: Instant, *, limit: int) -> Sequence[Standing]:
        """See `BudgetRows`."""
        query = sa.select(budget_standings).where(budget_standings.c.due_at <= at).limit(limit)
        order = budget_standings.c.due_at, budget_standings.c.budget, budget_standings.c.subject
        return [_standing(row) for row in self.connection.execute(query.order_by(*order))]

    def keep_standings(self, standings: Sequence[Standing]) -> None:
        """See `BudgetRows`."""
        names = ("budget", "start", "subject", "spent", "unknown_cost_calls", "level", "due_at")
        rows = [{name: getattr(each, name) for name in names} for each in standings]
        replace_rows(self.connection, budget_standings, rows)

    def drop_standings(self, budget_id: str) -> None:
        """See `BudgetRows`."""
        self.connection.execute(sa.delete(budget_standings).where(budget_standings.c.budget == budget_id))

    def forget_standings(self, *, before: Instant, limit: int) -> int:
        """See `BudgetRows`."""
        table = budget_standings.c
        query = sa.select(budget_standings).where(table.start < before, table.start > 0, table.level == 0).limit(limit)
        old = self.connection.execute(query).all()
        if old:
            delete = sa.delete(budget_standings).where(
                table.budget == sa.bindparam("a_budget"),
                table.start == sa.bindparam("a_start"),
                table.subject == sa.bindparam("a_subject"),
            )
            rows = [{"a_budget": row.budget, "a_start": row.start, "a_subject": row.subject} for row in old]
            self.connection.execute(delete, rows)
        return len(old)

    def used(
        self, scope: Scope, *, start: Instant, end: Instant | None, agents: Sequence[str] = ()
    ) -> Mapping[str, Used]:
        """See `BudgetRows`."""
        return _used(self.connection, scope, start, end, agents)

    def _where(self, *conditions: sa.ColumnElement[bool]) -> list[Standing]:
        query = sa.select(budget_standings).where(*conditions).order_by(budget_standings.c.subject)
        return [_standing(row) for row in self.connection.execute(query)]


class SqlBudgetStore:
    """A `BudgetStore` on a database."""

    _database: Database

    async def stored_budgets(self) -> StoredBudgets:
        """See `BudgetStore`."""
        revision, (found, raised) = await self._database.load(
            lambda connection: (_budgets(connection), _raised(connection))
        )
        return StoredBudgets(revision=revision, budgets=found, raised=raised)

    async def budget_standings(self, query: StandingQuery) -> Sequence[Standing]:
        """See `BudgetStore`."""
        conditions = [_in_period(query.budget, query.start)]
        subject = budget_standings.c.subject
        if query.subject is not None:
            conditions.append(subject == query.subject)
        if query.namespaces is not None:
            conditions.append(of_namespaces(subject, query.namespaces))
        statement = (
            sa.select(budget_standings)
            .where(*conditions)
            .order_by(budget_standings.c.spent.desc(), subject)
            .limit(query.limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [_standing(row) for row in rows]

    async def any_standing_due(self, at: Instant) -> bool:
        """See `BudgetStore`."""
        query = sa.select(budget_standings.c.budget).where(budget_standings.c.due_at <= at).limit(1)
        return await self._database.read(lambda connection: connection.scalar(query) is not None)

    async def usage_by(
        self, scope: Scope, *, start: Instant, end: Instant | None, agents: Sequence[str] = ()
    ) -> Mapping[str, Used]:
        """See `BudgetStore`."""
        return await self._database.read(lambda connection: _used(connection, scope, start, end, agents))

    async def usage_by_hour(
        self, agents: Sequence[str], *, before: Instant, hours: int
    ) -> Mapping[str, Sequence[Used]]:
        """See `BudgetStore`."""
        end = floor(before // MINUTE, HOUR)
        return await self._database.read(lambda connection: _by_hour(connection, agents, end - hours * HOUR, end))


@lru_cache(_REMEMBERED)
def _budget(record: bytes) -> Budget:
    """Return a budget; they are asked for with every batch of spans, and seldom change."""
    return records.decode(record, Budget)


def _budgets(connection: sa.Connection) -> list[Budget]:
    return [_budget(bytes(each)) for each in connection.scalars(sa.select(budgets.c.record).order_by(budgets.c.id))]


def _raised(connection: sa.Connection) -> list[Standing]:
    query = sa.select(budget_standings).where(budget_standings.c.level > 0)
    return [_standing(row) for row in connection.execute(query)]


def _in_period(budget_id: str, start: Instant) -> sa.ColumnElement[bool]:
    return sa.and_(budget_standings.c.budget == budget_id, budget_standings.c.start == start)


def _standing(row: sa.Row[Any]) -> Standing:
    return Standing(
        budget=row.budget,
        subject=row.subject,
        start=Instant(row.start),
        spent=row.spent,
        unknown_cost_calls=row.unknown_cost_calls,
        level=row.level,
        due_at=None if row.due_at is None else Instant(row.due_at),
    )


def _used(
    connection: sa.Connection, scope: Scope, start: Instant, end: Instant | None, agents: Sequence[str]
) -> dict[str, Used]:
    table = session_usage if scope is Scope.SESSION else rollups
    counts = table.c
    subject: sa.ColumnElement[str] = sa.literal("") if scope is Scope.EVERYTHING else counts[scope.value]
    models = sa.case((counts.operation.in_(sorted(MODEL_OPERATIONS)), counts.spans), else_=0)
    sums = (
        counts.input_tokens + counts.output_tokens,
        counts.tool_calls + models,
        counts.unknown_cost_calls,
        counts.cost_units,
        counts.cost_nanos,
    )
    conditions = [counts.untrusted.is_(False), counts.minute >= start // MINUTE]
    if end is not None:
        conditions.append(counts.minute < end // MINUTE)
    if agents:
        conditions += [
            counts.agent.not_in([UNATTRIBUTED, ""]),
            sa.or_(*(_means(counts.agent, each) for each in agents)),
        ]
    if scope is not Scope.EVERYTHING:
        conditions.append(subject.not_in([UNATTRIBUTED, ""] if scope is Scope.AGENT else [""]))
    query = (
        sa.select(subject.label("subject"), counts.currency, *map(sa.func.sum, sums))
        .where(*conditions)
        .group_by("subject", counts.currency)
    )
    found: dict[str, Used] = {}
    for whose, currency, tokens, calls, unknown, units, nanos in connection.execute(query):
        cost = {currency: int(units) * NANOS + int(nanos)} if currency else {}
        used = Used(tokens=int(tokens), calls=int(calls), unknown_cost_calls=int(unknown), cost=cost)
        found.setdefault(whose, Used()).add(used)
    return found


def _means(agent: sa.ColumnElement[str], pattern: str) -> sa.ColumnElement[bool]:
    """Return `covered_by` in SQL; LIKE would not tell capitals from small letters everywhere."""
    if not pattern.endswith("*"):
        return agent == pattern
    beginning = pattern[:-1]
    return sa.func.substr(agent, 1, len(beginning)) == beginning


def _by_hour(connection: sa.Connection, agents: Sequence[str], first: int, end: int) -> Mapping[str, Sequence[Used]]:
    columns, found = agent_usage.c, dict[str, dict[int, Used]]()
    tokens = columns.input_tokens + columns.output_tokens
    for some in batches(agents):
        query = sa.select(
            columns.agent, columns.minute, columns.currency, tokens, columns.cost_units, columns.cost_nanos
        ).where(
            columns.step == HOUR,
            columns.page >= page_of(first, HOUR),
            columns.page <= page_of(end, HOUR),
            columns.called.is_(False),
            columns.untrusted.is_(False),
            columns.agent.in_(some),
            columns.minute >= first,
            columns.minute < end,
        )
        for agent, minute, currency, spent, units, nanos in connection.execute(query):
            cost = {currency: units * NANOS + nanos} if currency else {}
            found.setdefault(agent, {}).setdefault(minute, Used()).add(Used(tokens=spent, cost=cost))
    return {agent: hours_of(by_minute, end=end, step=HOUR) for agent, by_minute in found.items()}
