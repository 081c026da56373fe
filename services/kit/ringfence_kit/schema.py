"""What a migration does to a schema: the few steps there are, alike on SQLite and PostgreSQL.

A migration is a file with `upgrade(schema)`, named for its revision. The rules:

- it says what the schema was to become on the day it was written, in columns of its own: it imports no `tables.py`;
- it changes data through `connection`, in the transaction all of an upgrade is made in;
- whatever is not here (SQLite knows no ALTER COLUMN) is written as SQL, for `execute`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa


class Schema:
    """The schema of a database, open to be changed."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        """What the migration runs on, for reading and writing rows."""

    def create_table(self, name: str, *parts: sa.Column[Any] | sa.Constraint, **options: Any) -> sa.Table:
        """Make a table, and return it for rows to be put in."""
        table = sa.Table(name, sa.MetaData(), *parts, **options)
        table.create(self.connection)
        return table

    def drop_table(self, name: str) -> None:
        """Take a table away, with its rows and its indexes."""
        sa.Table(name, sa.MetaData()).drop(self.connection)

    def add_column(self, table: str, column: sa.Column[Any]) -> None:
        """Add a column; of rows that are there it is what `server_default` says, or NULL."""
        sa.Table(table, sa.MetaData(), column)
        dialect = self.connection.dialect
        specification = dialect.ddl_compiler(dialect, None).get_column_specification(column)  # type: ignore[arg-type]  # it compiles no statement
        quoted = dialect.identifier_preparer.quote(table)
        self.connection.exec_driver_sql(f"ALTER TABLE {quoted} ADD COLUMN {specification}")

    def create_index(self, name: str, table: str, columns: Sequence[str], **options: Any) -> None:
        """Make an index; `options` are SQLAlchemy's, such as `sqlite_where`."""
        named = sa.Table(table, sa.MetaData(), *(sa.Column(column) for column in columns))
        sa.Index(name, *(named.c[column] for column in columns), **options).create(self.connection)

    def drop_index(self, name: str) -> None:
        """Take an index away."""
        quoted = self.connection.dialect.identifier_preparer.quote(name)
        self.connection.exec_driver_sql(f"DROP INDEX {quoted}")

    def insert(self, table: sa.Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Put rows into a table."""
        self.connection.execute(sa.insert(table), [dict(row) for row in rows])

    def execute(self, statement: str | sa.Executable) -> None:
        """Run one statement."""
        self.connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
