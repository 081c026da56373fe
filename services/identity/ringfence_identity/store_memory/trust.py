"""Signals and elevation grants, in memory."""

from collections.abc import Sequence

from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable, MemoryTx

from ringfence_identity.model import Elevation, RecordedSignal

SIGNALS: MemoryTable[tuple[str, str], RecordedSignal] = MemoryTable("signals")
ELEVATIONS: MemoryTable[str, Elevation] = MemoryTable("elevations")


class MemoryTrustTx(MemoryTx):
    """A `TrustTx` on rows in memory; each method's contract stands there."""

    def recorded_signal(self, environment: str, signal_id: str) -> RecordedSignal | None:
        """See `TrustTx`."""
        return self.rows.table(SIGNALS).get((environment, signal_id))

    def add_signal(self, signal: RecordedSignal) -> None:
        """See `TrustTx`."""
        self.rows.table(SIGNALS)[signal.environment, signal.signal_id] = signal

    def elevation(self, name: str) -> Elevation | None:
        """See `TrustTx`."""
        return self.rows.table(ELEVATIONS).get(name)

    def put_elevation(self, elevation: Elevation) -> None:
        """See `TrustTx`."""
        self.rows.table(ELEVATIONS)[elevation.name] = elevation


class MemoryTrustStore:
    """A `TrustStore` on a database in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def newest_signals(self, did: str, *, limit: int) -> Sequence[RecordedSignal]:
        """See `TrustStore`."""

        def newest(rows: MemoryRows) -> list[RecordedSignal]:
            about = [signal for signal in rows.table(SIGNALS).values() if signal.did == did]
            return sorted(about, key=lambda signal: (signal.recorded_at, signal.signal_id), reverse=True)[:limit]

        return await self._database.read(newest)
