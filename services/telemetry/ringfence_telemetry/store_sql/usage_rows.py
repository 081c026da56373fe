"""Rows of usage: what stands in their columns, and how something is added to them.

Counts are added by the database, histograms here: those of the rows that are there are read, merged and written back,
so a table with histograms is added to by one at a time (`add_alone`).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import sqlalchemy as sa

from ringfence_telemetry.durations import Buckets, decode, encode, merge
from ringfence_telemetry.store_sql.statements import batches, insert_for, write_tuples
from ringfence_telemetry.tables.usage import rollup_marks
from ringfence_telemetry.usage import Counts
from ringfence_telemetry.usage_levels import Marks

_LOCK = 7_404_002
"""PostgreSQL's advisory lock on the histograms; any number nobody else uses."""

_SECOND = 1_000_000
_UNITS = 1_000_000_000

Key: TypeAlias = tuple[Any, ...]
"""A row's primary key, in the order of its columns."""


def _columns() -> Iterable[str]:
    wholes = {
        "duration_micros": "duration_seconds",
        "cost_nanos": "cost_units",
        "stated_cost_nanos": "stated_cost_units",
    }
    for name in Counts._fields:
        if name in wholes:
            yield wholes[name]
        yield name


COLUMNS = tuple(_columns())
"""The names of the columns that hold counts, in order; amounts that may be large stand in two."""
_MARKS = sa.select(rollup_marks)


class Sum:
    """What is added to one row; amounts are added up column by column when somebody asks for them."""

    __slots__ = ("_amounts", "buckets")

    def __init__(self, counts: Sequence[int], buckets: Mapping[int, int]) -> None:
        self._amounts = [counts]
        self.buckets: Buckets = {bucket: count for bucket, count in buckets.items() if count}

    @property
    def counts(self) -> Sequence[int]:
        """The counts, added up."""
        if len(self._amounts) > 1:
            self._amounts = [tuple(map(sum, zip(*self._amounts, strict=True)))]
        return self._amounts[0]

    def add(self, counts: Sequence[int], buckets: Mapping[int, int]) -> None:
        """Add counts and durations."""
        self._amounts.append(counts)
        if buckets:
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
    statement = _upsert(connection.dialect.name, table)
    if "durations" not in table.c:
        write_tuples(connection, statement, [key + _stored(found.counts) for key, found in sums.items()])
        return
    there = _durations(connection, table, list(sums))
    rows = []
    for key, found in sums.items():
        buckets, before = found.buckets, there.get(key)
        if before:
            stored = decode(before)
            merge(stored, buckets)
            buckets = stored
        rows.append((*key, *_stored(found.counts), encode(buckets)))
    write_tuples(connection, statement, rows)


@cache
def _upsert(dialect: str, table: sa.Table) -> sa.Insert:
    """Return the statement that adds to rows; made once, since making it costs more than running it."""
    insert = insert_for(dialect, table)
    added = {name: table.c[name] + insert.excluded[name] for name in COLUMNS}
    if "durations" in table.c:
        added["durations"] = insert.excluded["durations"]
    return insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=added)


def counts_of(row: Sequence[Any]) -> Counts:
    """Return the counts that stand in the columns `COLUMNS`."""
    *first, seconds, micros, retries, unknown, units, nanos, stated_units, stated_nanos = map(int, row)
    duration, cost, stated = seconds * _SECOND + micros, units * _UNITS + nanos, stated_units * _UNITS + stated_nanos
    return Counts._make((*first, duration, retries, unknown, cost, stated))


def read_marks(connection: sa.Connection) -> Marks:
    """Return how far usage has been folded and forgotten."""
    return Marks(**{row.mark: row.minute for row in connection.execute(_MARKS)})


def _stored(counts: Sequence[int]) -> tuple[int, ...]:
    """Return what stands in the columns `COLUMNS`. (Spelled out: this is half of what a row of usage costs.)"""
    *first, micros, retries, unknown, nanos, stated = counts
    return (
        *first,
        micros // _SECOND,
        micros % _SECOND,
        retries,
        unknown,
        nanos // _UNITS,
        nanos % _UNITS,
        stated // _UNITS,
        stated % _UNITS,
    )


def _durations(connection: sa.Connection, table: sa.Table, keys: Sequence[Key]) -> dict[Key, bytes]:
    """Return the histograms of the rows of `keys` that are there."""
    query, found = _durations_of(table), dict[Key, bytes]()
    for some in batches(keys):
        for *key, durations in connection.execute(query, {"keys": some}):
            found[tuple(key)] = durations
    return found


@cache
def _durations_of(table: sa.Table) -> sa.Select[Any]:
    """Return the statement that reads histograms of `keys`."""
    columns = list(table.primary_key)
    wanted = sa.tuple_(*columns).in_(sa.bindparam("keys", expanding=True))
    return sa.select(*columns, table.c.durations).where(wanted)
