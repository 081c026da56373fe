"""Reads the events of a service's database from outside, as an auditor with a copy of the file would."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple


class StoredEvent(NamedTuple):
    """One row."""

    revision: int
    kind: str
    name: str


def stored_events(database: Path) -> list[StoredEvent]:
    """Return every event that is kept, in order."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT revision, kind, name FROM events ORDER BY revision")
        return [StoredEvent(*row) for row in rows]
