"""The pdp's data in SQL."""

from pathlib import Path

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.events import Revision
from ringfence_kit.sql import Database, SqlTx

from ringfence_pdp.bundle import Bundle
from ringfence_pdp.kill_switch import KillSwitch, KillTarget
from ringfence_pdp.store import StoredPolicy
from ringfence_pdp.tables import bundles, kill_switches

MIGRATIONS = Path(__file__).parent / "migrations" / "versions"


class SqlPolicyTx(SqlTx):
    """A `PolicyTx` on a connection."""

    def active_bundle(self) -> Bundle | None:
        """See `PolicyTx`."""
        return _active(self.connection)

    def activate(self, bundle: Bundle) -> None:
        """See `PolicyTx`."""
        row = {"revision": bundle.revision, "digest": bundle.digest, "record": records.encode(bundle)}
        self.connection.execute(sa.insert(bundles).values(row))

    def kill_switch(self, name: str) -> KillSwitch | None:
        """See `PolicyTx`."""
        return _switch(self.connection, kill_switches.c.name == name)

    def kill_switch_on(self, target: KillTarget) -> KillSwitch | None:
        """See `PolicyTx`."""
        return _switch(self.connection, kill_switches.c.target == str(target))

    def engage(self, switch: KillSwitch) -> None:
        """See `PolicyTx`."""
        row = {"name": switch.name, "target": str(switch.target), "record": records.encode(switch)}
        self.connection.execute(sa.insert(kill_switches).values(row))

    def release(self, name: str) -> None:
        """See `PolicyTx`."""
        self.connection.execute(sa.delete(kill_switches).where(kill_switches.c.name == name))


class SqlPolicyStore:
    """A `PolicyStore` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> tuple[Revision, StoredPolicy]:
        """See `PolicyStore`."""
        return await self._database.load(_everything)


def _active(connection: sa.Connection) -> Bundle | None:
    query = sa.select(bundles.c.record).order_by(bundles.c.revision.desc()).limit(1)
    record = connection.scalar(query)
    return None if record is None else records.decode(record, Bundle)


def _switch(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> KillSwitch | None:
    record = connection.scalar(sa.select(kill_switches.c.record).where(condition))
    return None if record is None else records.decode(record, KillSwitch)


def _everything(connection: sa.Connection) -> StoredPolicy:
    found = connection.scalars(sa.select(kill_switches.c.record).order_by(kill_switches.c.name))
    switches = tuple(records.decode(record, KillSwitch) for record in found)
    return StoredPolicy(bundle=_active(connection), kill_switches=switches)
