"""The steps of migrations do the same on both databases, to a schema with rows in it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from ringfence_kit.schema import Schema
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT
from ringfence_kit.sql_engines import create_file, make_engines, parse_url, sqlite_path
from support.backends import Backend

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgres"], indirect=True)


@contextmanager
def opened(backend: Backend) -> Iterator[Schema]:
    url = parse_url(backend.url)
    if path := sqlite_path(url):
        create_file(path)
    engines = make_engines(url)
    with engines.migrator.connect() as connection, connection.begin():
        yield Schema(connection)
    engines.dispose()


def make_pets(schema: Schema) -> sa.Table:
    pets = schema.create_table("pets", sa.Column("name", TEXT, primary_key=True), sa.Column("photo", BYTES))
    schema.insert(pets, [{"name": "rex", "photo": b"\0"}, {"name": "tom", "photo": None}])
    return pets


def test_a_column_is_added_to_rows_that_are_there(backend: Backend) -> None:
    with opened(backend) as schema:
        make_pets(schema)
        schema.add_column("pets", sa.Column("kind", TEXT, nullable=False, server_default=""))
        schema.add_column("pets", sa.Column("legs", INTEGER, nullable=False, server_default="4"))
        schema.add_column("pets", sa.Column("order", INTEGER))  # a word of SQL, too
        schema.execute("UPDATE pets SET kind = 'dog' WHERE name = 'rex'")
        rows = schema.connection.execute(sa.text("SELECT * FROM pets ORDER BY name")).all()
        assert [(name, kind, legs, order) for name, _, kind, legs, order in rows] == [
            ("rex", "dog", 4, None),
            ("tom", "", 4, None),
        ]


def test_an_index_is_made_replaced_and_taken_away(backend: Backend) -> None:
    with opened(backend) as schema:
        make_pets(schema)
        known = sa.text("photo IS NOT NULL")
        schema.create_index("pets_by_photo", "pets", ["photo"], sqlite_where=known, postgresql_where=known)
        schema.drop_index("pets_by_photo")
        schema.create_index("pets_by_photo", "pets", ["photo", "name"])
        (index,) = sa.inspect(schema.connection).get_indexes("pets")
        assert (index["name"], index["column_names"]) == ("pets_by_photo", ["photo", "name"])
        schema.drop_index("pets_by_photo")
        assert sa.inspect(schema.connection).get_indexes("pets") == []


def test_what_a_table_held_moves_to_another_and_the_table_goes(backend: Backend) -> None:
    with opened(backend) as schema:
        pets = make_pets(schema)
        animals = schema.create_table("animals", sa.Column("name", TEXT, primary_key=True))
        schema.execute(sa.insert(animals).from_select(["name"], sa.select(pets.c.name)))
        schema.drop_table("pets")
        assert sa.inspect(schema.connection).get_table_names() == ["animals"]
        assert schema.connection.scalar(sa.select(sa.func.count()).select_from(animals)) == 2
