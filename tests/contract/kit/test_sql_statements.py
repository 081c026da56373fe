"""Statements handed to the driver as they are: what they answer, refuse and complain of, on both databases."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
from ringfence_kit.sql import Database
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT
from ringfence_kit.sql_statements import Statement
from support.backends import Backend
from support.switches.store_sql import MIGRATIONS

on_both = pytest.mark.parametrize("backend", ["sqlite", "postgres"], indirect=True)

THINGS = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("size", INTEGER),
    sa.Column("record", BYTES),
    sa.Column("weight", sa.Float),
)
OF_NAME = THINGS.c.name == sa.bindparam("of_name", type_=TEXT)
ADD = Statement(sa.insert(THINGS), sets=("name", "size", "record"))
FIND = Statement(sa.select(THINGS.c.size, THINGS.c.record).where(OF_NAME))
RESIZE = Statement(sa.update(THINGS).where(THINGS.c.size > sa.bindparam("above", type_=INTEGER)), sets=("size",))
REMOVE = Statement(sa.delete(THINGS).where(OF_NAME))
LARGEST = Statement(sa.select(THINGS.c.name).order_by(THINGS.c.size.desc()).limit(1))


@asynccontextmanager
async def things(backend: Backend) -> AsyncIterator[sa.Connection]:
    """Yield a connection in a transaction, on a database with the table and nothing in it."""
    async with Database(backend.url, service="switches", migrations=MIGRATIONS) as database:
        with database.engines.writer.connect() as connection, connection.begin():
            THINGS.create(connection)
            yield connection


@on_both
async def test_it_answers_with_a_row_a_value_or_none(backend: Backend) -> None:
    async with things(backend) as connection:
        assert ADD.change(connection, name="a", size=-(2**63), record=b"\0\xff") == 1
        assert ADD.change(connection, name="é", size=None, record=None) == 1
        assert tuple(FIND.row(connection, of_name="a")) == (-(2**63), b"\0\xff")
        assert tuple(FIND.row(connection, of_name="é")) == (None, None)
        assert FIND.scalar(connection, of_name="a") == -(2**63)
        assert FIND.row(connection, of_name="b") is None
        assert FIND.scalar(connection, of_name="b") is None


@on_both
async def test_it_says_how_many_rows_it_changed(backend: Backend) -> None:
    async with things(backend) as connection:
        for number in range(5):
            ADD.change(connection, name=f"{number}", size=number, record=b"")
        assert RESIZE.change(connection, above=2, size=9) == 2
        assert RESIZE.change(connection, above=9, size=1) == 0
        assert REMOVE.change(connection, of_name="4") == 1
        assert LARGEST.scalar(connection) == "3"


@on_both
async def test_it_runs_once_for_each_of_many_rows(backend: Backend) -> None:
    async with things(backend) as connection:
        ADD.change_each(connection, [{"name": f"{number}", "size": number, "record": b"\0"} for number in range(3)])
        ADD.change_each(connection, [])
        found = connection.execute(sa.select(THINGS.c.name, THINGS.c.size, THINGS.c.record).order_by(THINGS.c.size))
        assert list(map(tuple, found)) == [("0", 0, b"\0"), ("1", 1, b"\0"), ("2", 2, b"\0")]


@on_both
async def test_it_is_part_of_the_transaction(backend: Backend) -> None:
    async with things(backend) as connection:
        with connection.begin_nested() as savepoint:
            ADD.change(connection, name="a", size=1, record=b"")
            assert connection.scalar(sa.select(THINGS.c.size)) == 1
            savepoint.rollback()
        assert FIND.row(connection, of_name="a") is None


@on_both
async def test_a_drivers_complaint_is_the_exception_sqlalchemy_makes_of_it(backend: Backend) -> None:
    async with things(backend) as connection:
        ADD.change(connection, name="a", size=1, record=b"")
        with connection.begin_nested() as savepoint:
            with pytest.raises(sa.exc.IntegrityError) as plain:
                connection.execute(sa.insert(THINGS), {"name": "a"})
            savepoint.rollback()
        with connection.begin_nested() as savepoint:
            with pytest.raises(sa.exc.IntegrityError) as raw:
                ADD.change(connection, name="a", size=1, record=b"")
            savepoint.rollback()
        with connection.begin_nested() as savepoint:
            with pytest.raises(sa.exc.IntegrityError) as each:
                ADD.change_each(connection, [{"name": name, "size": 1, "record": b""} for name in "ba"])
            savepoint.rollback()
        assert type(raw.value.orig) is type(each.value.orig) is type(plain.value.orig)


@on_both
async def test_what_a_driver_would_have_to_translate_is_refused(backend: Backend) -> None:
    any_of = Statement(sa.select(THINGS.c.name).where(THINGS.c.name.in_(sa.bindparam("names", expanding=True))))
    async with things(backend) as connection:
        with pytest.raises(TypeError, match="weight"):
            Statement(sa.select(THINGS.c.weight)).row(connection)
        with pytest.raises(TypeError, match="weight"):
            Statement(sa.insert(THINGS)).change(connection, name="a", size=1, record=b"", weight=1)
        with pytest.raises(TypeError, match="list"):
            any_of.row(connection, names="a")
