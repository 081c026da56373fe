"""Column types that mean the same on SQLite and PostgreSQL."""

import sqlalchemy as sa

TEXT = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
"""Text that compares by code point, as Python and SQLite do: a keyset cursor means the same on every store."""

BYTES = sa.LargeBinary()
"""Bytes as they are."""

INTEGER = sa.BigInteger()
"""A 64-bit integer: revisions, instants, amounts. (Not for SQLite autoincrement keys; this project has none.)"""
