"""Birth certificates and their places in status lists, in SQL."""

import sqlalchemy as sa
from ringfence_kit.sql import Database, SqlTx
from ringfence_kit.sql_statements import Statement

from ringfence_identity.model import AgentIdentity
from ringfence_identity.status.bits import SupersededPlace
from ringfence_identity.tables import certificates, status_places

_ADD_CERTIFICATE = Statement(sa.insert(certificates))
_TAKE_PLACE = Statement(sa.insert(status_places))
_NEWEST_PLACE = Statement(
    sa.select(sa.func.max(status_places.c.number)).where(status_places.c.environment == sa.bindparam("environment"))
)


class SqlStatusTx(SqlTx):
    """A `StatusTx` on a connection; each method's contract stands there."""

    def add_certificate(self, identity: AgentIdentity, credential: str) -> None:
        """See `StatusTx`."""
        did, serial = identity.did, identity.certificate_serial
        _ADD_CERTIFICATE.change(self.connection, did=did, serial=serial, credential=credential)
        place = identity.status_place
        if place is not None:
            _TAKE_PLACE.change(
                self.connection,
                did=did,
                serial=serial,
                environment=identity.environment,
                number=place.number,
                pair=place.pair,
                place=place.index,
            )

    def certificate(self, did: str, serial: int) -> str | None:
        """See `StatusTx`."""
        query = sa.select(certificates.c.credential).where(certificates.c.did == did, certificates.c.serial == serial)
        return self.connection.scalar(query)

    def next_status_number(self, environment: str) -> int:
        """See `StatusTx`."""
        newest = _NEWEST_PLACE.scalar(self.connection, environment=environment)
        return 0 if newest is None else newest + 1


class SqlStatusStore:
    """A `StatusStore` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def certificate(self, did: str, serial: int = 0) -> str | None:
        """See `StatusStore`."""
        query = sa.select(certificates.c.credential).where(certificates.c.did == did)
        if serial:
            query = query.where(certificates.c.serial == serial)
        newest = query.order_by(certificates.c.serial.desc()).limit(1)
        return await self._database.read(lambda connection: connection.scalar(newest))


def superseded(connection: sa.Connection) -> tuple[SupersededPlace, ...]:
    """Return the places of all certificates that were followed by a newer one, in order."""
    newer = status_places.alias()
    followed = sa.and_(newer.c.did == status_places.c.did, newer.c.serial == status_places.c.serial + 1)
    columns = (status_places.c.environment, status_places.c.pair, status_places.c.place)
    rows = connection.execute(sa.select(*columns).join(newer, followed).order_by(*columns))
    return tuple(SupersededPlace(environment=environment, pair=pair, index=index) for environment, pair, index in rows)
