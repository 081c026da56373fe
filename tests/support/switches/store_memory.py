"""Switches in memory."""

from ringfence_kit.events import Revision
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable, MemoryTx

from support.switches.model import Switch

SWITCHES: MemoryTable[str, Switch] = MemoryTable("switches")


class MemorySwitchTx(MemoryTx):
    """A `SwitchTx` on rows in memory."""

    def switch(self, name: str) -> Switch | None:
        """See `SwitchTx`."""
        return self.rows.table(SWITCHES).get(name)

    def put(self, switch: Switch) -> None:
        """See `SwitchTx`."""
        self.rows.table(SWITCHES)[switch.name] = switch

    def remove(self, name: str) -> None:
        """See `SwitchTx`."""
        self.rows.table(SWITCHES).pop(name, None)


class MemorySwitchStore:
    """A `SwitchStore` on a database in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def load(self) -> tuple[Revision, tuple[Switch, ...]]:
        """See `SwitchStore`."""
        return await self._database.load(_by_name)

    async def turned_off(self, *, after: str, limit: int) -> tuple[Switch, ...]:
        """See `SwitchStore`."""
        every = await self._database.read(_by_name)
        return tuple(switch for switch in every if not switch.on and switch.name > after)[:limit]


def _by_name(rows: MemoryRows) -> tuple[Switch, ...]:
    return tuple(switch for _, switch in sorted(rows.table(SWITCHES).items()))
