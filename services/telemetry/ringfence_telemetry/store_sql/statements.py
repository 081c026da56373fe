"""What the SQL of every part of telemetry is made with.

A statement is made and compiled once for each kind of database, and its rows are handed to SQLite's driver as they are:
SQLAlchemy takes longer to look at them again than SQLite to write them. Nothing of our columns needs that look: they
are integers, texts, bytes and truth values.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, islice
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

_TOGETHER = 128
"""Rows of one INSERT: a power of two, and far fewer values than SQLite takes."""

_IN_MAX = 500
"""Values of one IN list: far below what either database refuses."""


def insert_into(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """Return the dialect's INSERT: both know ON CONFLICT in the same words, SQLAlchemy's own does not."""
    return insert_for(connection.dialect.name, table)


def insert_for(dialect: str, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """Return the INSERT of a dialect, for statements that are made once."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def replace_row(connection: sa.Connection, table: sa.Table, row: Mapping[str, object]) -> None:
    """Insert a row, or take the place of the one with its primary key."""
    replace_rows(connection, table, [row])


def replace_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows with the same columns, each taking the place of the one with its primary key."""
    if rows:
        write_rows(connection, _replacing(connection.dialect.name, table, tuple(rows[0])), rows)


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows with the same columns; those that are there stay as they are."""
    if rows:
        write_rows(connection, _adding(connection.dialect.name, table), rows)


def write_rows(connection: sa.Connection, statement: sa.Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run an INSERT, made once and for all, for very many rows that all have the columns of the first."""
    if connection.dialect.name != "sqlite":
        connection.execute(statement, list(rows))
        return
    prepared = _prepared(statement, tuple(rows[0]))
    _write(connection, prepared, [prepared.tuple_of(row) for row in rows])


def write_tuples(connection: sa.Connection, statement: sa.Insert, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run an INSERT, made once and for all, for rows that have every column of its table, in the table's order."""
    names = _columns(statement.table)
    if connection.dialect.name != "sqlite":
        connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])
    else:
        _write(connection, _prepared(statement, names), rows)


class _Prepared(NamedTuple):
    head: str
    row: str
    """The parameters of one row."""
    tail: str
    tuple_of: Callable[[Mapping[str, Any]], tuple[Any, ...]]


def _write(connection: sa.Connection, prepared: _Prepared, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows many at a time: for each statement the driver lets another thread run, and then waits for its turn."""
    head, row, tail, _ = prepared
    at = 0
    while at < len(rows):
        # Few different statements, so that the driver has them ready.
        count = _TOGETHER if len(rows) - at >= _TOGETHER else 1 << (len(rows) - at).bit_length() - 1
        some = tuple(chain.from_iterable(rows[at : at + count]))
        connection.exec_driver_sql(f"{head}{', '.join([row] * count)}{tail}", some)
        at += count


@cache
def _prepared(statement: sa.Insert, columns: tuple[str, ...]) -> _Prepared:
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="qmark"), column_keys=list(columns))
    row = f"({', '.join('?' * len(columns))})"
    head, tail = str(compiled).split(row)
    return _Prepared(head, row, tail, itemgetter(*compiled.positiontup or ()))


@cache
def _columns(table: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)


@cache
def _replacing(dialect: str, table: sa.Table, names: tuple[str, ...]) -> sa.Insert:
    keys = [column.name for column in table.primary_key]
    insert = insert_for(dialect, table)
    rest = {name: insert.excluded[name] for name in names if name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=rest)


@cache
def _adding(dialect: str, table: sa.Table) -> sa.Insert:
    return insert_for(dialect, table).on_conflict_do_nothing()


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield the values in lists that fit one IN."""
    rest = iter(values)
    while some := list(islice(rest, _IN_MAX)):
        yield some


def of_namespaces(agent: sa.ColumnElement[str], namespaces: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a column names agents of these namespaces. (LIKE takes capitals for small letters.)"""
    prefixes = [f"namespaces/{each}/agents/" for each in namespaces]
    return sa.or_(sa.false(), *[sa.func.substr(agent, 1, len(prefix)) == prefix for prefix in prefixes])
