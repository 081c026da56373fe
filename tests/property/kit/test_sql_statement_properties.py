"""A statement handed to the driver keeps and gives what SQLAlchemy keeps and gives."""

from collections.abc import Callable

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT
from ringfence_kit.sql_statements import Bound, Statement

THINGS = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("number", INTEGER, primary_key=True),
    sa.Column("name", TEXT),
    sa.Column("record", BYTES),
)
EVERYTHING = sa.select(THINGS.c.number, THINGS.c.name, THINGS.c.record)
ADD, FIND = sa.insert(THINGS), EVERYTHING.where(THINGS.c.number == sa.bindparam("of_number", type_=INTEGER))

NUMBERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
RECORDS = st.none() | st.binary()


@given(number=NUMBERS, name=TEXTS, record=RECORDS)
def test_every_way_in_and_both_ways_out_agree(number: int, name: str | None, record: bytes | None) -> None:
    row: dict[str, Bound] = {"number": number, "name": name, "record": record}
    adding: tuple[Callable[[sa.Connection], object], ...] = (
        lambda connection: connection.execute(ADD, row),
        lambda connection: Statement(ADD).change(connection, **row),
        lambda connection: Statement(ADD).change_each(connection, [row]),
    )
    for add in adding:
        with sa.create_engine("sqlite://").connect() as connection, connection.begin():
            THINGS.create(connection)
            add(connection)
            plain = connection.execute(FIND, {"of_number": number}).one()
            assert tuple(Statement(FIND).row(connection, of_number=number)) == tuple(plain) == tuple(row.values())
