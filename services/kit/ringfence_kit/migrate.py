"""Brings a database to the code's schema, at start, under a lock, in one transaction.

Two lines of Alembic migrations meet in every database: the kit's (`events`, `requests`, `store_state`) and the
service's own. The rules:

- all or nothing: a kill in the middle leaves the old schema;
- of several replicas starting at once one migrates and the others wait (PostgreSQL advisory lock; a SQLite file has
  one owner anyway);
- a database with a migration the code does not know is refused (`DatabaseTooNew`), as is one of another service;
- migrations go forward only: the way back is the backup, so `downgrade` is not written.
"""

from pathlib import Path

import sqlalchemy as sa


def migrate(connection: sa.Connection, *, service: str, migrations: Path) -> None:
    """Apply what is missing, inside the caller's transaction on `connection`."""
    raise NotImplementedError


def schema_differences(connection: sa.Connection, tables: sa.MetaData) -> list[str]:
    """Return how the migrated schema and the service's `tables.py` differ, empty when they agree: for a test."""
    raise NotImplementedError
