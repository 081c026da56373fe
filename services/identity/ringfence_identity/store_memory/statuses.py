"""Birth certificates and their places in status lists, in memory."""

from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable, MemoryTx

from ringfence_identity.model import AgentIdentity
from ringfence_identity.status.bits import SupersededPlace
from ringfence_identity.status.places import StatusPlace

CERTIFICATES: MemoryTable[tuple[str, int], str] = MemoryTable("certificates")
STATUS_PLACES: MemoryTable[tuple[str, int], tuple[str, StatusPlace]] = MemoryTable("status_places")


class MemoryStatusTx(MemoryTx):
    """A `StatusTx` on rows in memory; each method's contract stands there."""

    def add_certificate(self, identity: AgentIdentity, credential: str) -> None:
        """See `StatusTx`."""
        name = (identity.did, identity.certificate_serial)
        self.rows.table(CERTIFICATES)[name] = credential
        if identity.status_place is not None:
            self.rows.table(STATUS_PLACES)[name] = (identity.environment, identity.status_place)

    def certificate(self, did: str, serial: int) -> str | None:
        """See `StatusTx`."""
        return self.rows.table(CERTIFICATES).get((did, serial))

    def next_status_number(self, environment: str) -> int:
        """See `StatusTx`."""
        taken = self.rows.table(STATUS_PLACES).values()
        return max((place.number + 1 for where, place in taken if where == environment), default=0)


class MemoryStatusStore:
    """A `StatusStore` on a database in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def certificate(self, did: str, serial: int = 0) -> str | None:
        """See `StatusStore`."""

        def newest(rows: MemoryRows) -> str | None:
            issued = rows.table(CERTIFICATES)
            wanted = sorted(key for key in issued if key[0] == did and serial in (0, key[1]))
            return issued[wanted[-1]] if wanted else None

        return await self._database.read(newest)


def superseded(rows: MemoryRows) -> tuple[SupersededPlace, ...]:
    """Return the places of all certificates that were followed by a newer one, in order."""
    taken = rows.table(STATUS_PLACES)
    old = (taken[did, serial] for did, serial in taken if (did, serial + 1) in taken)
    return tuple(
        SupersededPlace(environment=environment, pair=place.pair, index=place.index)
        for environment, place in sorted(old, key=lambda entry: (entry[0], entry[1].pair, entry[1].index))
    )
