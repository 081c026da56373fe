"""Brings a database to the code's schema, at start, under a lock, in one transaction.

Two lines of Alembic migrations meet in every database: the kit's (`events`, `requests`, `store_state`) and the
service's own. The rules:

- all or nothing: a kill in the middle leaves the old schema;
- of several replicas starting at once one migrates and the others wait (PostgreSQL advisory lock; a SQLite file has
  one owner anyway);
- a database with a migration the code does not know is refused (`DatabaseTooNew`), as is one of another service;
- migrations go forward only: the way back is the backup, so `downgrade` is not written;
- a database that is up to date needs no Alembic, which takes half a second to import: migrations are files named for
  their revision, and the last by name is the newest of its line.
"""

import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ringfence_kit import sql_tables
from ringfence_kit.absent import absent
from ringfence_kit.sql_tables import store_state
from ringfence_kit.store import DatabaseOfAnotherService, DatabaseTooNew, StorageRefused

if TYPE_CHECKING:
    from alembic.config import Config

_KIT_MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = int.from_bytes(b"ringfence"[:7], "big")
_PAGE_KEY_BYTES = 32

_one_at_a_time = threading.Lock()
"""Alembic keeps its current context in a module, and the launcher opens four databases in one process."""


def migrate(connection: sa.Connection, *, service: str, migrations: Path) -> None:
    """Apply what is missing, inside the caller's transaction on `connection`."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    _check_owner(connection, service)
    applied = applied_revisions(connection)
    if applied != newest_revisions(migrations):
        _check_known(migrations, applied, service)
        _upgrade(connection, migrations)
        _check_foreign_keys(connection)
    if connection.scalar(sa.select(store_state.c.id)) is None:
        first = {"id": 1, "service": service, "revision": 0, "compacted_revision": 0}
        connection.execute(sa.insert(store_state).values(page_key=secrets.token_bytes(_PAGE_KEY_BYTES), **first))


def schema_differences(connection: sa.Connection, tables: sa.MetaData) -> list[str]:
    """Return how the migrated schema and the service's `tables.py` differ, empty when they agree: for a test."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - see above
    from alembic.migration import MigrationContext  # noqa: PLC0415 - see above

    expected = sa.MetaData()
    for table in (*sql_tables.metadata.tables.values(), *tables.tables.values()):
        table.to_metadata(expected)
    return [str(difference) for difference in compare_metadata(MigrationContext.configure(connection), expected)]


def newest_revisions(migrations: Path) -> frozenset[str]:
    """Return the newest revision of both lines: what an up-to-date database says of itself. A line may be empty."""
    lines = (_revisions(versions) for versions in (_KIT_MIGRATIONS / "versions", migrations))
    return frozenset(max(line) for line in lines if line)


def applied_revisions(connection: sa.Connection) -> frozenset[str]:
    """Return the newest revisions that were applied; none in a new database."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return frozenset()
    return frozenset(connection.scalars(sa.text("SELECT version_num FROM alembic_version")))


def _revisions(versions: Path) -> list[str]:
    return [path.stem for path in versions.glob("*.py") if path.stem != "__init__"]


def _upgrade(connection: sa.Connection, migrations: Path) -> None:
    with _one_at_a_time:
        with absent("pygments"):  # with which it would colour code of templates: half of its size
            from alembic import command  # noqa: PLC0415 - see above

        command.upgrade(_configure(connection, migrations), "heads")


def _configure(connection: sa.Connection, migrations: Path) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.attributes["connection"] = connection
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", _literal(_KIT_MIGRATIONS))
    config.set_main_option(
        "version_locations", "\n".join(map(_literal, (_KIT_MIGRATIONS / "versions", migrations.resolve())))
    )
    return config


def _literal(path: Path) -> str:
    """Return `path` for an option in which ConfigParser would take `%` for its own."""
    return str(path).replace("%", "%%")


def _check_owner(connection: sa.Connection, service: str) -> None:
    if not sa.inspect(connection).has_table(store_state.name):
        return
    owner = connection.scalar(sa.select(store_state.c.service))
    if owner is not None and owner != service:
        raise DatabaseOfAnotherService(service=service, owner=owner)


def _check_known(migrations: Path, applied: frozenset[str], service: str) -> None:
    known = {*_revisions(_KIT_MIGRATIONS / "versions"), *_revisions(migrations)}
    if unknown := sorted(applied - known):
        raise DatabaseTooNew(service=service, unknown=unknown)


def _check_foreign_keys(connection: sa.Connection) -> None:
    """SQLite rebuilds tables to alter them, with foreign keys off; whatever that broke is refused here."""
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise StorageRefused(
            f"migrating would leave rows of {broken[0][0]} that refer to nothing in {broken[0][2]}; "
            "nothing was changed; restore a backup or repair these rows"
        )
