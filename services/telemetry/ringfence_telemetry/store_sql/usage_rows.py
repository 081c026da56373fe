"""Rows of usage: what stands in their columns, and how something is added to them.

Counts are added by the database, histograms here: those of the rows that are there are read, merged and written back,
so a table with histograms is added to by one at a time (`add_alone`).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ringfence_telemetry.durations import Buckets, decode, encode, merge
from ringfence_telemetry.store_sql.statements import batches, write_rows
from ringfence_telemetry.tables.usage import rollup_marks
from ringfence_telemetry.usage import Counts
from ringfence_telemetry.usage_levels import Marks

_LOCK = 7_404_002
"""PostgreSQL's advisory lock on the histograms; any number nobody else uses."""

Key: TypeAlias = tuple[Any, ...]
"""A row's primary key, in the order of its columns."""


class Column(NamedTuple):
    """A column that holds a count: of which, and what one in it stands for."""

    name: str
    place: int
    """Of what it counts, in `Counts`."""
    unit: int


def _columns() -> Iterable[Column]:
    split = {
        "duration_micros": ("duration_seconds", 1_000_000),
        "cost_nanos": ("cost_units", 10**9),
        "stated_cost_nanos": ("stated_cost_units", 10**9),
    }
    for place, name in enumerate(Counts._fields):
        if name in split:
            yield Column(split[name][0], place, split[name][1])
        yield Column(name, place, 1)


COLUMNS = tuple(_columns())
_NAMES = tuple(column.name for column in COLUMNS)


class Sum:
    """What is added to one row."""

    __slots__ = ("buckets", "counts")

    def __init__(self, counts: Sequence[int], buckets: Mapping[int, int]) -> None:
        self.counts = counts
        self.buckets: Buckets = {bucket: count for bucket, count in buckets.items() if count}

    def add(self, counts: Sequence[int], buckets: Mapping[int, int]) -> None:
        """Add counts and durations."""
        self.counts = [a + b for a, b in zip(self.counts, counts, strict=True)]
        merge(self.buckets, buckets)


Sums: TypeAlias = dict[Key, Sum]


def add_to(sums: Sums, key: Key, counts: Sequence[int], buckets: Mapping[int, int]) -> None:
    """Add to what is added to the row of `key`."""
    found = sums.get(key)
    if found is None:
        sums[key] = Sum(counts, buckets)
    else:
        found.add(counts, buckets)


def add_alone(connection: sa.Connection) -> None:
    """Let other replicas wait until this transaction has ended."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def add_rows(connection: sa.Connection, table: sa.Table, sums: Sums) -> None:
    """Add to rows; those that are not there begin."""
    if not sums:
        return
    names = [column.name for column in table.primary_key]
    statement = _upsert(connection.dialect.name, table)
    if "durations" not in table.c:
        rows = [dict(zip(names, key, strict=True)) | _stored(found.counts) for key, found in sums.items()]
        write_rows(connection, statement, rows)
        return
    there = _durations(connection, table, list(sums))
    rows = []
    for key, found in sums.items():
        buckets, before = found.buckets, there.get(key)
        if before:
            stored = decode(before)
            merge(stored, buckets)
            buckets = stored
        row = dict(zip(names, key, strict=True)) | _stored(found.counts)
        row["durations"] = encode(buckets)
        rows.append(row)
    write_rows(connection, statement, rows)


@cache
def _upsert(dialect: str, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """Return the statement that adds to rows; made once, since making it costs more than running it."""
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    added = {name: table.c[name] + insert.excluded[name] for name in _NAMES}
    if "durations" in table.c:
        added["durations"] = insert.excluded["durations"]
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=added)


def counts_of(row: Sequence[Any]) -> Counts:
    """Return the counts that stand in the columns `COLUMNS`."""
    counts = [0] * len(Counts._fields)
    for column, amount in zip(COLUMNS, row, strict=True):
        counts[column.place] += int(amount) * column.unit
    return Counts._make(counts)


def read_marks(connection: sa.Connection) -> Marks:
    """Return how far usage has been folded and forgotten."""
    return Marks(**{row.mark: row.minute for row in connection.execute(sa.select(rollup_marks))})


def _stored(counts: Sequence[int]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    rest: int | None = None
    for column in COLUMNS:
        if column.unit > 1:
            row[column.name], rest = divmod(counts[column.place], column.unit)
        else:
            row[column.name], rest = counts[column.place] if rest is None else rest, None
    return row


def _durations(connection: sa.Connection, table: sa.Table, keys: Sequence[Key]) -> dict[Key, bytes]:
    """Return the histograms of the rows of `keys` that are there."""
    columns, found = list(table.primary_key), dict[Key, bytes]()
    for some in batches(keys):
        query = sa.select(*columns, table.c.durations).where(sa.tuple_(*columns).in_(some))
        for *key, durations in connection.execute(query):
            found[tuple(key)] = durations
    return found
