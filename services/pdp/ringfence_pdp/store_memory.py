"""The pdp's data in memory, for the contract suite and tests of use cases."""

from collections.abc import Sequence

from ringfence_kit.events import Revision
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable, MemoryTx

from ringfence_pdp.bundle import Bundle
from ringfence_pdp.kill_switch import KillSwitch, KillTarget
from ringfence_pdp.rollout.rollout import NOTHING_YET, ROLLOUT, Rollout
from ringfence_pdp.store import StoredPolicy

BUNDLES: MemoryTable[str, Bundle] = MemoryTable("kept_bundles")
ROLLOUTS: MemoryTable[str, Rollout] = MemoryTable("rollouts")
KILL_SWITCHES: MemoryTable[str, KillSwitch] = MemoryTable("kill_switches")


class MemoryPolicyTx(MemoryTx):
    """A `PolicyTx` on rows in memory."""

    def rollout(self) -> Rollout | None:
        """See `PolicyTx`."""
        return self.rows.table(ROLLOUTS).get(ROLLOUT)

    def put_rollout(self, rollout: Rollout) -> None:
        """See `PolicyTx`."""
        self.rows.table(ROLLOUTS)[ROLLOUT] = rollout

    def bundle(self, digest: str) -> Bundle | None:
        """See `PolicyTx`."""
        return self.rows.table(BUNDLES).get(digest)

    def keep(self, bundle: Bundle) -> None:
        """See `PolicyTx`."""
        self.rows.table(BUNDLES)[bundle.digest] = bundle

    def kept_digests(self) -> Sequence[str]:
        """See `PolicyTx`."""
        return [bundle.digest for bundle in _newest_first(self.rows)]

    def drop(self, digest: str) -> None:
        """See `PolicyTx`."""
        self.rows.table(BUNDLES).pop(digest, None)

    def kill_switch(self, name: str) -> KillSwitch | None:
        """See `PolicyTx`."""
        return self.rows.table(KILL_SWITCHES).get(name)

    def kill_switch_on(self, target: KillTarget) -> KillSwitch | None:
        """See `PolicyTx`."""
        switches = self.rows.table(KILL_SWITCHES).values()
        return next((switch for switch in switches if switch.target == target), None)

    def engage(self, switch: KillSwitch) -> None:
        """See `PolicyTx`."""
        self.rows.table(KILL_SWITCHES)[switch.name] = switch

    def release(self, name: str) -> None:
        """See `PolicyTx`."""
        self.rows.table(KILL_SWITCHES).pop(name, None)


class MemoryPolicyStore:
    """A `PolicyStore` on a database in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def load(self) -> tuple[Revision, StoredPolicy]:
        """See `PolicyStore`."""
        return await self._database.load(_everything)


def _newest_first(rows: MemoryRows) -> list[Bundle]:
    return sorted(rows.table(BUNDLES).values(), key=lambda bundle: bundle.revision, reverse=True)


def _everything(rows: MemoryRows) -> StoredPolicy:
    switches = sorted(rows.table(KILL_SWITCHES).values(), key=lambda switch: switch.name)
    return StoredPolicy(
        bundles=tuple(_newest_first(rows)),
        rollout=rows.table(ROLLOUTS).get(ROLLOUT, NOTHING_YET),
        kill_switches=tuple(switches),
    )
