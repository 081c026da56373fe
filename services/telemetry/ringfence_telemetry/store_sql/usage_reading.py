"""Questions about usage, in SQL.

A question about agents over a long window is summed from rows by the day and the hour, and only what is left beside
them from rows by every label (`usage_levels.py` says which). The parts are summed in one statement.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from ringfence_telemetry.durations import Buckets, decode, merge, quantiles
from ringfence_telemetry.store_sql.usage_rows import COLUMNS, counts_of, read_marks
from ringfence_telemetry.tables.usage import agent_usage, rollups, session_usage
from ringfence_telemetry.usage import Counts
from ringfence_telemetry.usage_levels import FOUR_DAYS, Piece, Stretch, by_agent, by_caller, page_of
from ringfence_telemetry.usage_query import (
    PERCENTS,
    ROWS_MAX,
    Group,
    Percentiles,
    Summed,
    UsageGroup,
    UsageQuery,
    UsageTotals,
    answer,
    too_many_histograms,
)

_PARTS_MAX = 4 * ROWS_MAX
"""Rows read for one answer, one for each currency: enough for answers in up to four everywhere."""

_LOW_BITS = 31

_OVERFLOW = "integer overflow"
"""What SQLite says when a sum is beyond 64 bits; PostgreSQL adds up exactly by itself."""


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows that are summed."""

    table: sa.Table
    conditions: Sequence[sa.ColumnElement[bool]]
    sign: int = 1
    """-1 where they are taken away."""

    def of(self, group: UsageGroup, step: int) -> sa.ColumnElement[Group]:
        column = self.table.c[group.value]
        if group is UsageGroup.TIME and step > 1:
            return column - column % step
        return column

    def sum_of(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        total: sa.ColumnElement[int] = sa.func.sum(column)
        return total if self.sign > 0 else -total


def read_usage(connection: sa.Connection, query: UsageQuery) -> list[UsageTotals]:
    """Return the totals a query asks for; see `UsageStore`."""
    sources = _sources(connection, query)
    if not sources:
        return []
    rows: Sequence[sa.Row[Any]]
    counts: Callable[[Sequence[Any]], Counts] = counts_of
    try:
        rows = connection.execute(_sums(sources, query)).all()
    except sa.exc.OperationalError as error:
        if _OVERFLOW not in str(error.orig):
            raise
        rows = connection.execute(_sums(sources, query, halves=True)).all()
        counts = _counts_of_halves
    width = len(query.group_by)
    found = answer(
        Summed(tuple(row[:width]), bool(row[width]), row[width + 1], counts(row[width + 2 : -1])) for row in rows
    )
    return _with_percentiles(connection, found, sources, query) if query.percentiles else found


def _sources(connection: sa.Connection, query: UsageQuery) -> list[_Source]:
    if query.window.empty:
        return []
    if query.about_sessions:
        return [_rows(session_usage, query, Piece(query.window))]
    if not query.about_agents_only:
        return [_rows(rollups, query, Piece(query.window))]
    divide = by_caller if query.inclusive else by_agent
    coarsest = FOUR_DAYS if UsageGroup.TIME not in query.group_by else query.step
    plan = divide(query.window, read_marks(connection), coarsest=coarsest)
    return [
        *[_by_agent(step, query, piece) for step, piece in plan.by_step],
        *[_rows(rollups, query, piece) for piece in plan.rest],
    ]


def _rows(table: sa.Table, query: UsageQuery, piece: Piece) -> _Source:
    labels = {"agent": query.agent, "session": query.session, "team": query.team, "model": query.model}
    wanted = [table.c[name] == label for name, label in labels.items() if label]
    return _Source(table, [*wanted, *_within(table.c.minute, piece.stretch)], piece.sign)


def _by_agent(step: int, query: UsageQuery, piece: Piece) -> _Source:
    columns, stretch = agent_usage.c, piece.stretch
    pages = Stretch(
        None if stretch.first is None else page_of(stretch.first, step),
        None if stretch.end is None else page_of(stretch.end - 1, step) + 1,
    )
    conditions = [columns.step == step, *_within(columns.page, pages), *_within(columns.minute, stretch)]
    if not query.inclusive:
        # Not `=`: SQLite would take it for constant, see the order it groups by in it no more, and sort.
        conditions.append(columns.called < sa.literal(value=True))
    if query.agent:
        conditions.append(columns.agent == query.agent)
    return _Source(agent_usage, conditions, piece.sign)


def _within(column: sa.ColumnElement[int], stretch: Stretch) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if stretch.first is not None:
        found.append(column >= stretch.first)
    if stretch.end is not None:
        found.append(column < stretch.end)
    return found


def _sums(sources: Sequence[_Source], query: UsageQuery, *, halves: bool = False) -> sa.Select[Any]:
    """Return the statement: each source summed, then their sums; the rows with the most tokens first.

    In halves, sums beyond 64 bits are exact where the database adds up in 64 bits only.
    """
    partial_sums = sa.union_all(*[_sum_of(source, query, COLUMNS, halves=halves) for source in sources]).subquery()
    groups = [partial_sums.c[each.value] for each in query.group_by]
    summed = [sa.func.sum(partial_sums.c[name]) for name in (_halved(COLUMNS) if halves else COLUMNS)]
    # In floating point, which has room for any sum: it only says which rows come first.
    kinds = [f"{name}_high" if halves else name for name in ("input_tokens", "output_tokens")]
    tokens = sa.func.sum(sa.cast(partial_sums.c[kinds[0]], sa.Float) + partial_sums.c[kinds[1]])
    of_a_row = (*groups, partial_sums.c.untrusted)
    most = sa.func.sum(tokens).over(partition_by=list(of_a_row)).label("most")
    return (
        sa.select(*of_a_row, partial_sums.c.currency, *summed, most)
        .group_by(*of_a_row, partial_sums.c.currency)
        .order_by(most.desc(), *of_a_row, partial_sums.c.currency)
        .limit(_PARTS_MAX)
    )


def _sum_of(source: _Source, query: UsageQuery, names: Sequence[str], *, halves: bool) -> sa.Select[Any]:
    table = source.table
    groups = [source.of(group, query.step) for group in query.group_by]
    # By agent rows lie page by page, and summed so they need no sorting.
    first = [table.c.page, table.c.called] if table is agent_usage else []
    if halves:
        shift = sa.literal(_LOW_BITS, sa.Integer)  # PostgreSQL shifts by 32-bit integers only
        low = (1 << _LOW_BITS) - 1
        summed = [source.sum_of(table.c[name].bitwise_rshift(shift)).label(f"{name}_high") for name in names]
        summed += [source.sum_of(table.c[name].bitwise_and(low)).label(f"{name}_low") for name in names]
    else:
        summed = [source.sum_of(table.c[name]).label(name) for name in names]
    labelled: list[sa.ColumnElement[Any]] = [
        column.label(group.value) for column, group in zip(groups, query.group_by, strict=True)
    ]
    selected = sa.select(*labelled, table.c.untrusted, table.c.currency, *summed)
    return selected.where(*source.conditions).group_by(*first, *groups, table.c.untrusted, table.c.currency)


def _halved(names: Sequence[str]) -> list[str]:
    return [f"{name}_high" for name in names] + [f"{name}_low" for name in names]


def _counts_of_halves(row: Sequence[int]) -> Counts:
    middle = len(COLUMNS)
    halves = zip(row[:middle], row[middle:], strict=True)
    return counts_of([(int(high) << _LOW_BITS) + int(low) for high, low in halves])


def _with_percentiles(
    connection: sa.Connection, rows: Sequence[UsageTotals], sources: Sequence[_Source], query: UsageQuery
) -> list[UsageTotals]:
    found: dict[tuple[tuple[Group, ...], bool], Buckets] = {(row.groups, row.untrusted): {} for row in rows}
    width, read = len(query.group_by), 0
    for source in sources:
        if "durations" not in source.table.c:
            continue
        groups = [source.of(group, query.step) for group in query.group_by]
        statement = sa.select(*groups, source.table.c.untrusted, source.table.c.durations).where(*source.conditions)
        rows_read: sa.Result[Any] = connection.execute(statement.limit(query.histograms_max + 1 - read))
        for row in rows_read:
            read += 1
            into = found.get((tuple(row[:width]), bool(row[width])))
            if into is not None:
                merge(into, {bucket: source.sign * count for bucket, count in decode(row[-1]).items()})
    if read > query.histograms_max:
        raise too_many_histograms(query.histograms_max)
    return [
        replace(row, percentiles=Percentiles(*quantiles(found[row.groups, row.untrusted], PERCENTS))) for row in rows
    ]
