"""Which of a database's complaints are worth a retry."""

import sqlite3

import pytest
import sqlalchemy as sa
from ringfence_kit.sql_faults import is_momentary


def said_by_sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("it says so")
    error.sqlite_errorcode = code
    return error


def through_sqlalchemy(error: BaseException) -> sa.exc.OperationalError:
    return sa.exc.OperationalError("SELECT 1", {}, error)


@pytest.mark.parametrize(
    ("code", "momentary"),
    [
        (sqlite3.SQLITE_BUSY, True),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, True),
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_IOERR_FSYNC, True),
        (sqlite3.SQLITE_ERROR, False),
        (sqlite3.SQLITE_READONLY, False),
    ],
)
def test_sqlite_is_asked_for_its_code(code: int, momentary: bool) -> None:
    assert is_momentary(said_by_sqlite(code)) is momentary
    assert is_momentary(through_sqlalchemy(said_by_sqlite(code))) is momentary


def test_other_drivers_are_taken_at_their_word() -> None:
    assert is_momentary(through_sqlalchemy(ConnectionError("gone")))
    assert is_momentary(sa.exc.TimeoutError("every connection is busy"))
    assert not is_momentary(sa.exc.ProgrammingError("SELECT", {}, ValueError("no such table")))
    assert not is_momentary(ValueError("nothing to do with databases"))
