"""The pdp's data in SQL."""

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.events import Revision
from ringfence_kit.sql import Database, SqlTx

from ringfence_pdp.bundle import Bundle
from ringfence_pdp.kill_switch import KillSwitch, KillTarget
from ringfence_pdp.rollout.rollout import NOTHING_YET, ROLLOUT, Rollout
from ringfence_pdp.store import StoredPolicy
from ringfence_pdp.tables import kept_bundles, kill_switches, rollouts

MIGRATIONS = Path(__file__).parent / "migrations" / "versions"


class SqlPolicyTx(SqlTx):
    """A `PolicyTx` on a connection."""

    def rollout(self) -> Rollout | None:
        """See `PolicyTx`."""
        return _rollout(self.connection)

    def put_rollout(self, rollout: Rollout) -> None:
        """See `PolicyTx`."""
        self.connection.execute(sa.delete(rollouts).where(rollouts.c.name == ROLLOUT))
        self.connection.execute(sa.insert(rollouts).values(name=ROLLOUT, record=records.encode(rollout)))

    def bundle(self, digest: str) -> Bundle | None:
        """See `PolicyTx`."""
        record = self.connection.scalar(sa.select(kept_bundles.c.record).where(kept_bundles.c.digest == digest))
        return None if record is None else records.decode(record, Bundle)

    def keep(self, bundle: Bundle) -> None:
        """See `PolicyTx`."""
        self.drop(bundle.digest)
        row = {"digest": bundle.digest, "revision": bundle.revision, "record": records.encode(bundle)}
        self.connection.execute(sa.insert(kept_bundles).values(row))

    def kept_digests(self) -> Sequence[str]:
        """See `PolicyTx`."""
        newest_first = sa.select(kept_bundles.c.digest).order_by(kept_bundles.c.revision.desc())
        return list(self.connection.scalars(newest_first))

    def drop(self, digest: str) -> None:
        """See `PolicyTx`."""
        self.connection.execute(sa.delete(kept_bundles).where(kept_bundles.c.digest == digest))

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


def _rollout(connection: sa.Connection) -> Rollout | None:
    record = connection.scalar(sa.select(rollouts.c.record).where(rollouts.c.name == ROLLOUT))
    return None if record is None else records.decode(record, Rollout)


def _switch(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> KillSwitch | None:
    record = connection.scalar(sa.select(kill_switches.c.record).where(condition))
    return None if record is None else records.decode(record, KillSwitch)


def _everything(connection: sa.Connection) -> StoredPolicy:
    found = connection.scalars(sa.select(kill_switches.c.record).order_by(kill_switches.c.name))
    switches = tuple(records.decode(record, KillSwitch) for record in found)
    kept = connection.scalars(sa.select(kept_bundles.c.record).order_by(kept_bundles.c.revision.desc()))
    return StoredPolicy(
        bundles=tuple(records.decode(record, Bundle) for record in kept),
        rollout=_rollout(connection) or NOTHING_YET,
        kill_switches=switches,
    )
