"""Brings a database to the code's schema, at start, under a lock, in one transaction.

Two lines of migrations meet in every database: the kit's (`events`, `requests`, `store_state`) and the service's own.
The rules:

- all or nothing: a kill in the middle leaves the old schema;
- of several replicas starting at once one migrates and the others wait (PostgreSQL advisory lock; a SQLite file has
  one owner anyway);
- a database with a migration the code does not know is refused (`DatabaseTooNew`), as is one of another service;
- migrations are files named for their revision, in the order of their names; the last is the newest of its line, and
  what a database says of itself is the newest of each;
- migrations go forward only: the way back is the backup, so there is no `downgrade`.
"""

import importlib.util
import secrets
from collections.abc import Collection
from pathlib import Path

import sqlalchemy as sa

from ringfence_kit.schema import Schema
from ringfence_kit.sql_tables import store_state
from ringfence_kit.store import DatabaseOfAnotherService, DatabaseTooNew, StorageRefused

_KIT_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
_ADVISORY_LOCK = int.from_bytes(b"ringfence"[:7], "big")
_PAGE_KEY_BYTES = 32

# Under the name it had while Alembic applied migrations: databases of those releases go on.
_applied = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def migrate(connection: sa.Connection, *, service: str, migrations: Path) -> None:
    """Apply what is missing, inside the caller's transaction on `connection`."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    _check_owner(connection, service)
    applied = applied_revisions(connection)
    if applied != newest_revisions(migrations):
        _check_known(migrations, applied, service)
        _upgrade(connection, migrations, applied)
        _check_foreign_keys(connection)
    if connection.scalar(sa.select(store_state.c.id)) is None:
        first = {"id": 1, "service": service, "revision": 0, "compacted_revision": 0}
        connection.execute(sa.insert(store_state).values(page_key=secrets.token_bytes(_PAGE_KEY_BYTES), **first))


def newest_revisions(migrations: Path) -> frozenset[str]:
    """Return the newest revision of both lines: what an up-to-date database says of itself. A line may be empty."""
    return frozenset(line[-1].stem for line in _lines(migrations) if line)


def applied_revisions(connection: sa.Connection) -> frozenset[str]:
    """Return the newest revisions that were applied; none in a new database."""
    if not sa.inspect(connection).has_table(_applied.name):
        return frozenset()
    return frozenset(connection.scalars(sa.select(_applied.c.version_num)))


def _lines(migrations: Path) -> tuple[list[Path], list[Path]]:
    """Return the kit's migrations and the service's, each the oldest first."""
    return _line(_KIT_MIGRATIONS), _line(migrations)


def _line(versions: Path) -> list[Path]:
    return sorted(path for path in versions.glob("*.py") if path.stem != "__init__")


def _upgrade(connection: sa.Connection, migrations: Path, applied: Collection[str]) -> None:
    _applied.create(connection, checkfirst=True)
    schema = Schema(connection)
    for line in _lines(migrations):
        newest = max((path.stem for path in line if path.stem in applied), default="")
        for path in line:
            if path.stem > newest:
                _run(path, schema)
        if line and line[-1].stem != newest:
            connection.execute(sa.delete(_applied).where(_applied.c.version_num == newest))
            connection.execute(sa.insert(_applied).values(version_num=line[-1].stem))


def _run(path: Path, schema: Schema) -> None:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path} is no module")
    migration = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(migration)
    migration.upgrade(schema)


def _check_owner(connection: sa.Connection, service: str) -> None:
    if not sa.inspect(connection).has_table(store_state.name):
        return
    owner = connection.scalar(sa.select(store_state.c.service))
    if owner is not None and owner != service:
        raise DatabaseOfAnotherService(service=service, owner=owner)


def _check_known(migrations: Path, applied: frozenset[str], service: str) -> None:
    known = {path.stem for line in _lines(migrations) for path in line}
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
