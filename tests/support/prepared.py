"""SQLite files as a service leaves them at its first start: migrated, with nothing in them.

What migrations do is told by the tests that are about them. The others open hundreds of databases, and Alembic takes
as long for one as all that most of them do with it.
"""

import functools
import importlib
import tempfile
from pathlib import Path

import sqlalchemy as sa
from ringfence_kit.migrate import migrate
from ringfence_kit.sql_engines import create_file, make_engines
from ringfence_kit.sql_tables import store_state

from support.backends import Backend

SERVICES = frozenset({"registry", "identity", "pdp", "telemetry"})


def prepare(service: str, file: Path) -> None:
    """Put a migrated database where `service` would make its own, if there is none yet."""
    if service in SERVICES and not file.exists():
        create_file(file)
        file.write_bytes(_migrated(service))


def prepare_backend(service: str, backend: Backend) -> None:
    """Do the same for a backend, if it is a file."""
    if backend.kind == "sqlite":
        prepare(service, Path(backend.url.removeprefix("sqlite:///")))


@functools.cache
def _migrated(service: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "new.db")
        create_file(file)
        engines = make_engines(sa.make_url(f"sqlite:///{file}"))
        with engines.migrator.connect() as connection, connection.begin():
            migrations = importlib.import_module(f"ringfence_{service}.store_sql").MIGRATIONS
            migrate(connection, service=service, migrations=migrations)
            # Each database has a key of its own for page tokens: whoever opens it makes one.
            connection.execute(sa.delete(store_state))
        engines.dispose()
        return file.read_bytes()
