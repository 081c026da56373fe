"""Tells a database that cannot answer now from a statement that is wrong.

The first is worth a retry and is called `Unavailable`; the second is a defect of ours and stays what it is. The
drivers mix them: sqlite3 says OperationalError to a full disk and to a misspelt table alike.
"""

import sqlite3

import sqlalchemy as sa

# https://sqlite.org/rescode.html: the low byte is the primary code.
_SQLITE_MOMENTARY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)


def is_momentary(error: BaseException) -> bool:
    """Say whether the same statement might succeed later."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_MOMENTARY
    # PEP 249 as psycopg keeps it: lost connections, shutdowns, lock timeouts, deadlocks, full disks. The third is the
    # pool's: every connection is busy.
    return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.TimeoutError)
