"""Statements that run at every call: compiled once, then handed to the driver as they are.

SQLAlchemy spends 20 µs around a statement that SQLite answers in 5 to 30. A `Statement` is written in SQLAlchemy Core
like any other, runs inside the same transaction, and leaves that part out. The rules:

- nothing is translated on the way: parameters and columns are texts, bytes and whole numbers, which every driver takes
  and gives as they are. Another type, or a parameter that takes a list, is refused when the statement is first
  compiled;
- a driver's complaint is raised as the exception SQLAlchemy makes of it, so who handles one handles both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import sqlalchemy as sa

Bound: TypeAlias = str | bytes | int | None
"""What a parameter may be."""

_AS_THEY_ARE = (sa.Text, sa.LargeBinary, sa.Integer)


class RawCursor(Protocol):
    """What a driver answers."""

    @property
    def rowcount(self) -> int:
        """How many rows a statement changed."""
        ...

    def fetchone(self) -> Any:
        """Return the next row, None when there is none."""
        ...

    def executemany(self, statement: str, parameters: Any, /) -> object:
        """Run `statement` once for each of `parameters`."""
        ...


class RawConnection(Protocol):
    """What the drivers of SQLite and PostgreSQL have in common."""

    def execute(self, statement: str, parameters: Any = ..., /) -> RawCursor:
        """Run `statement`."""
        ...

    def cursor(self) -> RawCursor:
        """Return a cursor of its own."""
        ...


def raw(connection: sa.Connection) -> RawConnection:
    """Return the driver's own connection under `connection`."""
    return cast("RawConnection", connection.connection.driver_connection)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement as one kind of database wants it."""

    text: str
    constants: Mapping[str, Any]
    """Parameters that are the same every time, such as a LIMIT."""
    order: Sequence[str] | None
    """The parameters in the order in which the driver takes them; None when it takes them by name."""

    def parameters(self, bound: dict[str, Bound]) -> Any:
        values = {**self.constants, **bound} if self.constants else bound
        return values if self.order is None else [values[name] for name in self.order]


class Statement:
    """A SELECT, INSERT, UPDATE or DELETE; its parameters are its `bindparam`s and the columns it sets."""

    def __init__(
        self,
        statement: "sa.Select[*tuple[Any, ...]] | sa.Insert | sa.Update | sa.Delete",
        *,
        sets: Sequence[str] | None = None,
    ) -> None:
        """`sets` names the columns an UPDATE or INSERT sets; None means every one of the table."""
        self._statement = statement
        self._sets = sets
        self._compiled: dict[str, _Compiled] = {}

    def row(self, connection: sa.Connection, **bound: Bound) -> Any:
        """Run it; return the first row of the answer, None when there is none."""
        return self._run(connection, bound).fetchone()

    def scalar(self, connection: sa.Connection, **bound: Bound) -> Any:
        """Run it; return the first column of the first row, None when there is none."""
        row = self._run(connection, bound).fetchone()
        return None if row is None else row[0]

    def change(self, connection: sa.Connection, **bound: Bound) -> int:
        """Run it; return how many rows it added or changed."""
        return self._run(connection, bound).rowcount

    def change_each(self, connection: sa.Connection, rows: Sequence[dict[str, Bound]]) -> None:
        """Run it once for each of `rows`, which a driver sends together."""
        compiled = self._for(connection.dialect)
        parameters = [compiled.parameters(bound) for bound in rows]
        try:
            raw(connection).cursor().executemany(compiled.text, parameters)
        except connection.dialect.loaded_dbapi.Error as error:
            raise _as_sqlalchemy_says_it(error, compiled.text, parameters, connection.dialect) from error

    def _run(self, connection: sa.Connection, bound: dict[str, Bound]) -> RawCursor:
        compiled = self._for(connection.dialect)
        parameters = compiled.parameters(bound)
        try:
            return raw(connection).execute(compiled.text, parameters)
        except connection.dialect.loaded_dbapi.Error as error:
            raise _as_sqlalchemy_says_it(error, compiled.text, parameters, connection.dialect) from error

    def _for(self, dialect: sa.Dialect) -> _Compiled:
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = self._compile(dialect)
        return compiled

    def _compile(self, dialect: sa.Dialect) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect, column_keys=self._sets)
        columns = self._statement.selected_columns if isinstance(self._statement, sa.Select) else ()
        parts = (*columns, *compiled.binds.values())
        if translated := [part.key for part in parts if not isinstance(part.type, _AS_THEY_ARE)]:
            raise TypeError(f"{', '.join(map(str, translated))}: drivers do not give and take this type as it is")
        if compiled.post_compile_params:
            raise TypeError("a parameter that stands for a list is another statement each time")
        given = {name: value for name, value in compiled.params.items() if value is not None}
        return _Compiled(text=str(compiled), constants=given, order=compiled.positiontup)


def _as_sqlalchemy_says_it(error: Exception, text: str, parameters: Any, dialect: sa.Dialect) -> Exception:
    said = sa.exc.DBAPIError.instance(text, parameters, error, dialect.loaded_dbapi.Error, dialect=dialect)
    return cast("Exception", said)
