"""SQLAlchemy engines for one database: one connection to write, a few to read, one to migrate.

SQLite: WAL with `synchronous=FULL`, so a COMMIT that returned is on disk; foreign keys on; transactions are begun by
us, because the driver's own guessing would put DDL and reads outside them.
PostgreSQL: psycopg 3; reads are read-only snapshots; a writer that hangs is cut off by the server, so one stopped
replica cannot hold the others for ever.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection

from ringfence_kit.store import StorageRefused

READERS = 4
"""Connections, and threads, for cold reads."""

_POSTGRES_DRIVERS = frozenset({"postgresql", "postgresql+psycopg"})
_SQLITE_DRIVERS = frozenset({"sqlite", "sqlite+pysqlite"})

POSTGRES_CONNECT: Mapping[str, str | int] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "application_name": "ringfence",
}
"""libpq parameters: a connection that went dead is noticed within 25 s instead of two hours."""

_SQLITE_SETTINGS = ("PRAGMA busy_timeout=5000", "PRAGMA synchronous=FULL")
# What a savepoint may have to put back is kept in memory: a file of it would be written with every group.
_SQLITE_WRITER = (*_SQLITE_SETTINGS, "PRAGMA foreign_keys=ON", "PRAGMA temp_store=MEMORY")
_SQLITE_READER = (*_SQLITE_SETTINGS, "PRAGMA query_only=ON")

_POSTGRES_WRITER = ("SET lock_timeout = '10s'", "SET idle_in_transaction_session_timeout = '30s'")
_POSTGRES_READER = ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """The ways into one database. None is connected yet."""

    url: sa.URL
    writer: sa.Engine
    reader: sa.Engine
    migrator: sa.Engine

    def dispose(self) -> None:
        """Close every connection."""
        for engine in (self.reader, self.migrator, self.writer):
            engine.dispose()


def parse_url(text: str) -> sa.URL:
    """Return the URL with its driver named, or raise `StorageRefused` for a database we do not keep data in."""
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        raise StorageRefused(
            "the database setting is not a URL; write sqlite:////path/to/file.db or postgresql://user@host/database"
        ) from None
    if url.drivername in _POSTGRES_DRIVERS:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in _SQLITE_DRIVERS and url.database not in (None, "", ":memory:"):
        return url.set(drivername="sqlite+pysqlite")
    raise StorageRefused(
        f"{url.render_as_string()} is not a database Ringfence keeps data in; "
        "write sqlite:////path/to/file.db or postgresql://user@host/database"
    )


def sqlite_path(url: sa.URL) -> Path | None:
    """Return the file behind a SQLite URL, None for PostgreSQL."""
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def create_file(path: Path) -> None:
    """Make the data file and its folder, for the owner's eyes only; SQLite gives its WAL the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def make_engines(url: sa.URL) -> Engines:
    """Return the engines for `url`."""
    if url.get_backend_name() == "sqlite":
        return Engines(
            url=url,
            writer=_sqlite(url, "BEGIN IMMEDIATE", _SQLITE_WRITER, size=1),
            reader=_sqlite(url, "BEGIN", _SQLITE_READER, size=READERS),
            # Foreign keys off: SQLite alters a table by making a new one and dropping the old one.
            migrator=_sqlite(url, "BEGIN IMMEDIATE", _SQLITE_SETTINGS, size=1),
        )
    return Engines(
        url=url,
        writer=_postgres(url, _POSTGRES_WRITER, size=1),
        reader=_postgres(url, _POSTGRES_READER, size=READERS),
        migrator=_postgres(url, (), size=1),
    )


def _sqlite(url: sa.URL, begin: str, settings: tuple[str, ...], *, size: int) -> sa.Engine:
    engine = sa.create_engine(url, pool_size=size, max_overflow=0)
    sa.event.listen(engine, "connect", _on_connect(settings, autocommit=True))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _postgres(url: sa.URL, settings: tuple[str, ...], *, size: int) -> sa.Engine:
    defaults = {name: value for name, value in POSTGRES_CONNECT.items() if name not in url.query}
    engine = sa.create_engine(url, pool_size=size, max_overflow=0, pool_pre_ping=True, connect_args=defaults)
    sa.event.listen(engine, "connect", _on_connect(settings, autocommit=False))
    return engine


def _on_connect(settings: tuple[str, ...], *, autocommit: bool) -> Callable[[DBAPIConnection, Any], None]:
    def prepare(connection: DBAPIConnection, _record: object) -> None:
        if autocommit:
            connection.isolation_level = None
        cursor = connection.cursor()
        for setting in settings:
            cursor.execute(setting)
        cursor.close()
        connection.commit()

    return prepare
