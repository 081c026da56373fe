"""Switches in SQL."""

from pathlib import Path

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.events import Revision
from ringfence_kit.sql import Database, SqlTx

from support.switches.model import Switch
from support.switches.tables import switches

MIGRATIONS = Path(__file__).parent / "migrations" / "versions"


class SqlSwitchTx(SqlTx):
    """A `SwitchTx` on a connection."""

    def switch(self, name: str) -> Switch | None:
        """See `SwitchTx`."""
        record = self.connection.scalar(sa.select(switches.c.record).where(switches.c.name == name))
        return None if record is None else records.decode(record, Switch)

    def put(self, switch: Switch) -> None:
        """See `SwitchTx`."""
        row = {"is_on": switch.on, "record": records.encode(switch)}
        updated = self.connection.execute(sa.update(switches).where(switches.c.name == switch.name).values(row))
        if updated.rowcount == 0:
            self.connection.execute(sa.insert(switches).values(name=switch.name, **row))

    def remove(self, name: str) -> None:
        """See `SwitchTx`."""
        self.connection.execute(sa.delete(switches).where(switches.c.name == name))


class SqlSwitchStore:
    """A `SwitchStore` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> tuple[Revision, tuple[Switch, ...]]:
        """See `SwitchStore`."""
        return await self._database.load(
            lambda connection: _decoded(connection, sa.select(switches.c.record).order_by(switches.c.name))
        )

    async def turned_off(self, *, after: str, limit: int) -> tuple[Switch, ...]:
        """See `SwitchStore`."""
        query = (
            sa.select(switches.c.record)
            .where(switches.c.is_on.is_(False), switches.c.name > after)
            .order_by(switches.c.name)
            .limit(limit)
        )
        return await self._database.read(lambda connection: _decoded(connection, query))


def _decoded(connection: sa.Connection, query: sa.Select[bytes]) -> tuple[Switch, ...]:
    return tuple(records.decode(record, Switch) for record in connection.scalars(query))
