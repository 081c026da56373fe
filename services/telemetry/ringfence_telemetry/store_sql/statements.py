"""What the SQL of every part of telemetry is made with."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

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


def batches(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield the values in lists that fit one IN."""
    rest = iter(values)
    while some := list(islice(rest, _IN_MAX)):
        yield some
