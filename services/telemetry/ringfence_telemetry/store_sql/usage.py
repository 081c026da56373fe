"""Usage and prices in SQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_kit.sql import Database

from ringfence_telemetry.durations import Buckets, decode
from ringfence_telemetry.prices.book import KnownPrice
from ringfence_telemetry.prices.price import Price
from ringfence_telemetry.store.usage import NO_DURATIONS, NOBODY_CALLED, PricePlace
from ringfence_telemetry.store_sql.statements import replace_row
from ringfence_telemetry.store_sql.usage_reading import read_usage
from ringfence_telemetry.store_sql.usage_rows import (
    COLUMNS,
    Sums,
    add_alone,
    add_rows,
    add_to,
    counts_of,
    read_marks,
)
from ringfence_telemetry.tables.usage import agent_usage, prices, rollup_marks, rollups, session_usage
from ringfence_telemetry.usage import CallerKey, Counts, UsageKey
from ringfence_telemetry.usage_levels import AGENT_STEPS, HOUR, floor, page_of, row_of
from ringfence_telemetry.usage_query import UsageQuery, UsageTotals

_NOTHING: Mapping[int, int] = {}


class _OnConnection(Protocol):
    @property
    def connection(self) -> sa.Connection: ...


class SqlUsageTx:
    """The `RollupTx` and `PriceRows` on a connection."""

    def add_usage(
        self: _OnConnection,
        changes: Mapping[UsageKey, Counts],
        durations: Mapping[UsageKey, Buckets] = NO_DURATIONS,
        called: Mapping[CallerKey, Counts] = NOBODY_CALLED,
    ) -> None:
        """See `RollupTx`."""
        if not changes and not called:
            return
        add_alone(self.connection)
        marks = read_marks(self.connection)
        by_label, by_session, by_agent = Sums(), Sums(), Sums()
        own = Sums()
        """By agent and minute: there are few of them, and each is added up at several steps."""
        for key, counts in changes.items():
            minute, buckets = row_of(key.minute, marks), durations.get(key, _NOTHING)
            labels = (key.agent, key.operation, key.model, key.tool, key.team, key.outcome, key.currency)
            add_to(by_label, (minute, *labels, key.untrusted), counts, buckets)
            add_to(by_session, (key.session, minute, *labels, key.untrusted), counts, _NOTHING)
            add_to(own, (key.minute, key.agent, key.untrusted, key.currency), counts, buckets)
        for whose, found in own.items():
            _add_by_agent(by_agent, CallerKey._make(whose), found.counts, found.buckets, called=False)
        for caller, counts in called.items():
            _add_by_agent(by_agent, caller, counts, _NOTHING, called=True)
        add_rows(self.connection, rollups, by_label)
        add_rows(self.connection, session_usage, by_session)
        add_rows(self.connection, agent_usage, by_agent)

    def fold_usage(self: _OnConnection, step: int, *, before: int, limit: int) -> int:
        """See `RollupTx`."""
        add_alone(self.connection)
        marks = read_marks(self.connection)
        mark, since = ("hour", marks.hour) if step == HOUR else ("five", marks.five)
        folded = 0
        for table in (rollups, session_usage):
            folded += _fold(self.connection, table, step, since=since, before=before, limit=limit - folded)
        if folded < limit and before > since:
            replace_row(self.connection, rollup_marks, {"mark": mark, "minute": before})
        return folded

    def forget_usage(self: _OnConnection, *, before: int, sessions_before: int, hours_before: int) -> int:
        """See `RollupTx`."""
        hours = agent_usage.c.step == HOUR
        if hours_before > read_marks(self.connection).hours_forgotten:
            replace_row(self.connection, rollup_marks, {"mark": "hours_forgotten", "minute": hours_before})
        return (
            _forget_oldest(self.connection, rollups, sa.true(), before)
            + _forget_oldest(self.connection, session_usage, sa.true(), sessions_before)
            + _forget_oldest(self.connection, agent_usage, hours, hours_before)
            + _forget_oldest(self.connection, agent_usage, ~hours, before)
        )

    def has_usage(self: _OnConnection, agent: str) -> bool:
        """See `RollupTx`."""
        query = sa.select(rollups.c.minute).where(rollups.c.agent == agent, rollups.c.untrusted.is_(False)).limit(1)
        return self.connection.scalar(query) is not None

    def price(self: _OnConnection, model: str, provider: str, effective_at: Instant) -> Price | None:
        """See `PriceRows`."""
        query = sa.select(prices.c.record).where(
            prices.c.model == model, prices.c.provider == provider, prices.c.effective_at == effective_at
        )
        record = self.connection.scalar(query)
        return None if record is None else records.decode(record, Price)

    def keep_price(self: _OnConnection, known: KnownPrice) -> None:
        """See `PriceRows`."""
        price = known.price
        row = {"model": price.model, "provider": price.provider, "effective_at": price.effective_at}
        row |= {"revision": known.revision, "record": records.encode(price)}
        self.connection.execute(sa.insert(prices), [row])


class _OnDatabase(Protocol):
    _database: Database


class SqlUsageStore:
    """The `UsageStore` on a database."""

    async def usage(self: _OnDatabase, query: UsageQuery) -> Sequence[UsageTotals]:
        """See `UsageStore`."""
        return await self._database.read(lambda connection: read_usage(connection, query))

    async def known_prices(self: _OnDatabase) -> Sequence[KnownPrice]:
        """See `UsageStore`."""
        query = sa.select(prices.c.revision, prices.c.record).order_by(prices.c.revision)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [KnownPrice(Revision(row.revision), records.decode(row.record, Price)) for row in rows]

    async def prices(
        self: _OnDatabase, *, models: Collection[str], after: PricePlace | None, limit: int
    ) -> Sequence[Price]:
        """See `UsageStore`."""
        keys = (prices.c.model, prices.c.provider, prices.c.effective_at)
        query = sa.select(prices.c.record).order_by(*keys).limit(limit)
        if models:
            query = query.where(prices.c.model.in_(sorted(models)))
        if after is not None:
            query = query.where(sa.tuple_(*keys) > sa.tuple_(*after))
        rows = await self._database.read(lambda connection: connection.scalars(query).all())
        return [records.decode(row, Price) for row in rows]


def _add_by_agent(
    sums: Sums, key: CallerKey, counts: Sequence[int], buckets: Mapping[int, int], *, called: bool
) -> None:
    for step in AGENT_STEPS:
        page, minute = page_of(key.minute, step), floor(key.minute, step)
        add_to(sums, (step, page, called, key.agent, key.untrusted, key.currency, minute), counts, buckets)


def _fold(connection: sa.Connection, table: sa.Table, step: int, *, since: int, before: int, limit: int) -> int:
    """Move up to `limit` rows between two minutes into the row of `step` minutes each belongs to."""
    keys, minute = list(table.primary_key), table.c.minute
    durations = [table.c.durations] if "durations" in table.c else []
    place = keys.index(minute)
    found = connection.execute(
        sa.select(*keys, *durations, *[table.c[name] for name in COLUMNS])
        .where(minute >= since, minute < before, minute % step != 0)
        .limit(limit)
    ).all()
    sums, gone, width = Sums(), [], len(keys)
    for row in found:
        key = list(row[:width])
        gone.append({f"a_{column.name}": part for column, part in zip(keys, key, strict=True)})
        key[place] = floor(key[place], step)
        buckets = decode(row[width]) if durations else _NOTHING
        add_to(sums, tuple(key), counts_of(row[width + len(durations) :]), buckets)
    add_rows(connection, table, sums)
    if gone:
        here = [column == sa.bindparam(f"a_{column.name}") for column in keys]
        connection.execute(sa.delete(table).where(*here), gone)
    return len(found)


def _forget_oldest(connection: sa.Connection, table: sa.Table, which: sa.ColumnElement[bool], before: int) -> int:
    """Drop the rows of the oldest hour, or of the oldest row if it is longer, when they begin before a minute."""
    oldest = connection.scalar(sa.select(sa.func.min(table.c.minute)).where(which))
    if oldest is None or oldest >= before:
        return 0
    found = connection.execute(sa.delete(table).where(which, table.c.minute < min(before, floor(oldest, HOUR) + HOUR)))
    return found.rowcount
