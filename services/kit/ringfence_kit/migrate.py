"""Brings a database to the code's schema, at start, under a lock, in one transaction.

Two lines of Alembic migrations meet in every database: the kit's (`events`, `requests`, `store_state`) and the
service's own. The rules:

- all or nothing: a kill in the middle leaves the old schema;
- of several replicas starting at once one migrates and the others wait (PostgreSQL advisory lock; a SQLite file has
  one owner anyway);
- a database with a migration the code does not know is refused (`DatabaseTooNew`), as is one of another service;
- migrations go forward only: the way back is the backup, so `downgrade` is not written.
"""

import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from ringfence_kit import sql_tables
from ringfence_kit.sql_tables import store_state
from ringfence_kit.store import DatabaseOfAnotherService, DatabaseTooNew, StorageRefused

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
    config = _configure(connection, migrations)
    _check_known(connection, ScriptDirectory.from_config(config), service)
    with _one_at_a_time:
        command.upgrade(config, "heads")
    _check_foreign_keys(connection)
    if connection.scalar(sa.select(store_state.c.id)) is None:
        first = {"id": 1, "service": service, "revision": 0, "compacted_revision": 0}
        connection.execute(sa.insert(store_state).values(page_key=secrets.token_bytes(_PAGE_KEY_BYTES), **first))


def schema_differences(connection: sa.Connection, tables: sa.MetaData) -> list[str]:
    """Return how the migrated schema and the service's `tables.py` differ, empty when they agree: for a test."""
    expected = sa.MetaData()
    for table in (*sql_tables.metadata.tables.values(), *tables.tables.values()):
        table.to_metadata(expected)
    return [str(difference) for difference in compare_metadata(MigrationContext.configure(connection), expected)]


def _configure(connection: sa.Connection, migrations: Path) -> Config:
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


def _check_known(connection: sa.Connection, scripts: ScriptDirectory, service: str) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    applied: Sequence[str] = MigrationContext.configure(connection).get_current_heads()
    if unknown := sorted(set(applied) - known):
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
