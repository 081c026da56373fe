"""The pdp's data in memory, for the contract suite and tests of use cases."""

from ringfence_kit.events import Revision
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable, MemoryTx

from ringfence_pdp.bundle import Bundle
from ringfence_pdp.kill_switch import KillSwitch, KillTarget
from ringfence_pdp.store import StoredPolicy

BUNDLES: MemoryTable[int, Bundle] = MemoryTable("bundles")
KILL_SWITCHES: MemoryTable[str, KillSwitch] = MemoryTable("kill_switches")


class MemoryPolicyTx(MemoryTx):
    """A `PolicyTx` on rows in memory."""

    def active_bundle(self) -> Bundle | None:
        """See `PolicyTx`."""
        return _active(self.rows)

    def activate(self, bundle: Bundle) -> None:
        """See `PolicyTx`."""
        self.rows.table(BUNDLES)[bundle.revision] = bundle

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


def _active(rows: MemoryRows) -> Bundle | None:
    return max(rows.table(BUNDLES).values(), key=lambda bundle: bundle.revision, default=None)


def _everything(rows: MemoryRows) -> StoredPolicy:
    switches = sorted(rows.table(KILL_SWITCHES).values(), key=lambda switch: switch.name)
    return StoredPolicy(bundle=_active(rows), kill_switches=tuple(switches))
