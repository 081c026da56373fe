"""What the SQL of every part of telemetry is made with."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

_IN_MAX = 500
"""Values of one IN list: far below what either database refuses."""


def insert_into(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """Return the dialect's INSERT: both know ON CONFLICT in the same words, SQLAlchemy's own does not."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def replace_row(connection: sa.Connection, table: sa.Table, row: Mapping[str, object]) -> None:
    """Insert a row, or take the place of the one with its primary key."""
    keys = [column.name for column in table.primary_key]
    insert = insert_into(connection, table).values(row)
    rest = {name: insert.excluded[name] for name in row if name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=rest))


def write_rows(connection: sa.Connection, statement: sa.Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """Run an INSERT, made once and for all, for very many rows that all have the columns of the first.

    SQLite is given tuples as they are: looking at each value of each row again costs more than writing it. Nothing of
    our columns needs that look: they are integers, texts, bytes and truth values.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(statement, list(rows))
        return
    prepared = _prepared(statement, tuple(rows[0]))
    connection.exec_driver_sql(prepared.text, [prepared.tuple_of(row) for row in rows])


class _Prepared(NamedTuple):
    text: str
    tuple_of: Callable[[Mapping[str, Any]], tuple[Any, ...]]


@cache
def _prepared(statement: sa.Insert, columns: tuple[str, ...]) -> _Prepared:
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="qmark"), column_keys=list(columns))
    return _Prepared(str(compiled), itemgetter(*compiled.positiontup or ()))


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield the values in lists that fit one IN."""
    rest = iter(values)
    while some := list(islice(rest, _IN_MAX)):
        yield some
