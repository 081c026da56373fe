"""Signals and elevation grants, in SQL."""

from collections.abc import Sequence

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.sql import Database, SqlTx

from ringfence_identity.model import Elevation, RecordedSignal
from ringfence_identity.tables import elevations, signals


class SqlTrustTx(SqlTx):
    """A `TrustTx` on a connection; each method's contract stands there."""

    def recorded_signal(self, environment: str, signal_id: str) -> RecordedSignal | None:
        """See `TrustTx`."""
        query = sa.select(signals.c.record).where(
            signals.c.environment == environment, signals.c.signal_id == signal_id
        )
        record = self.connection.scalar(query)
        return None if record is None else records.decode(record, RecordedSignal)

    def add_signal(self, signal: RecordedSignal) -> None:
        """See `TrustTx`."""
        row = {
            "environment": signal.environment,
            "signal_id": signal.signal_id,
            "did": signal.did,
            "recorded_at": signal.recorded_at,
            "record": records.encode(signal),
        }
        self.connection.execute(sa.insert(signals).values(row))

    def elevation(self, name: str) -> Elevation | None:
        """See `TrustTx`."""
        record = self.connection.scalar(sa.select(elevations.c.record).where(elevations.c.name == name))
        return None if record is None else records.decode(record, Elevation)

    def put_elevation(self, elevation: Elevation) -> None:
        """See `TrustTx`."""
        record = records.encode(elevation)
        known = elevations.c.name == elevation.name
        updated = self.connection.execute(sa.update(elevations).where(known).values(record=record))
        if updated.rowcount == 0:
            self.connection.execute(sa.insert(elevations).values(name=elevation.name, record=record))


class SqlTrustStore:
    """A `TrustStore` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest_signals(self, did: str, *, limit: int) -> Sequence[RecordedSignal]:
        """See `TrustStore`."""
        newest_first = (signals.c.recorded_at.desc(), signals.c.signal_id.desc())
        query = sa.select(signals.c.record).where(signals.c.did == did).order_by(*newest_first).limit(limit)
        found = await self._database.read(lambda connection: connection.scalars(query).all())
        return [records.decode(record, RecordedSignal) for record in found]
