"""Where a store under test lives: memory, a SQLite file, or a real PostgreSQL.

A test that asks for the fixture `backend` runs once on each. A backend outlives the stores opened on it, so opening
one again is a restart, and opening two at once on PostgreSQL is two replicas.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ringfence_kit.memory import MemoryDatabase

Kind: TypeAlias = Literal["memory", "sqlite", "postgres"]

EVERY_KIND: tuple[Kind, ...] = ("memory", "sqlite", "postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One place for data, empty at first."""

    kind: Kind
    url: str = ""
    """The database URL; empty for memory."""
    memory: MemoryDatabase = field(default_factory=MemoryDatabase)
    """The data of a memory backend."""
