"""Alerts in SQL."""

from collections.abc import Sequence

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.errors import RevisionCompacted
from ringfence_kit.sql import Database
from ringfence_kit.store import StorageFault

from ringfence_telemetry.alerts.alert import Alert, AlertEvent, AlertQuery, Silence
from ringfence_telemetry.store.alerts import FiringAlerts
from ringfence_telemetry.store_sql.statements import of_namespaces
from ringfence_telemetry.tables.alerts import alert_events, alerts, silences


class SqlAlertTx:
    """`AlertRows` on a connection."""

    connection: sa.Connection

    def firing_alert(self, key: str) -> Alert | None:
        """See `AlertRows`."""
        record = self.connection.scalar(sa.select(alerts.c.record).where(alerts.c.firing_key == key))
        return None if record is None else records.decode(record, Alert)

    def firing_alerts(self) -> Sequence[Alert]:
        """See `AlertRows`."""
        return _firing(self.connection)

    def alert(self, number: int) -> Alert | None:
        """See `AlertRows`."""
        record = self.connection.scalar(sa.select(alerts.c.record).where(alerts.c.number == number))
        return None if record is None else records.decode(record, Alert)

    def keep_alert(self, alert: Alert) -> None:
        """See `AlertRows`."""
        row = {
            "firing_key": alert.key if alert.fires else None,
            "kind": alert.kind.value,
            "agent": alert.agent,
            "resolved_at": alert.resolved_at,
            "record": records.encode(alert),
        }
        changed = self.connection.execute(sa.update(alerts).where(alerts.c.number == alert.number).values(row))
        if not changed.rowcount:
            self.connection.execute(sa.insert(alerts).values(number=alert.number, **row))

    def alert_sequence(self) -> int:
        """See `AlertRows`."""
        return _newest(self.connection)

    def append_alert_event(self, event: AlertEvent) -> None:
        """See `AlertRows`."""
        row = {"sequence": event.sequence, "at": event.at, "record": records.encode(event)}
        self.connection.execute(sa.insert(alert_events).values(row))

    def silences(self, at: Instant) -> Sequence[Silence]:
        """See `AlertRows`."""
        return self._silences_where(silences.c.expires_at > at)

    def silences_over(self, at: Instant) -> Sequence[Silence]:
        """See `AlertRows`."""
        return self._silences_where(silences.c.expires_at <= at)

    def silence(self, name: str) -> Silence | None:
        """See `AlertRows`."""
        return next(iter(self._silences_where(silences.c.name == name)), None)

    def keep_silence(self, silence: Silence) -> None:
        """See `AlertRows`."""
        row = {"name": silence.name, "expires_at": silence.expires_at, "record": records.encode(silence)}
        self.connection.execute(sa.insert(silences).values(row))

    def drop_silence(self, name: str) -> None:
        """See `AlertRows`."""
        self.connection.execute(sa.delete(silences).where(silences.c.name == name))

    def forget_alerts(self, *, before: Instant, limit: int) -> int:
        """See `AlertRows`."""
        newest = self.alert_sequence()
        over = sa.select(alerts.c.number).where(alerts.c.resolved_at < before).limit(limit)
        old = (
            sa.select(alert_events.c.sequence)
            .where(alert_events.c.at < before, alert_events.c.sequence < newest)
            .order_by(alert_events.c.sequence)
            .limit(limit)
        )
        forgotten = self.connection.execute(sa.delete(alerts).where(alerts.c.number.in_(over))).rowcount
        last = self.connection.scalar(sa.select(sa.func.max(old.subquery().c.sequence)))
        if last is None:
            return forgotten
        # Up to the newest of the old: an event that a clock set back dated later leaves no hole behind.
        events = self.connection.execute(sa.delete(alert_events).where(alert_events.c.sequence <= last)).rowcount
        return max(forgotten, events)

    def _silences_where(self, condition: sa.ColumnElement[bool]) -> Sequence[Silence]:
        query = sa.select(silences.c.record).where(condition).order_by(silences.c.name)
        return [records.decode(record, Silence) for record in self.connection.scalars(query)]


class SqlAlertStore:
    """An `AlertStore` on a database."""

    _database: Database

    async def alerts(self, query: AlertQuery) -> Sequence[Alert]:
        """See `AlertStore`."""
        statement = (
            sa.select(alerts.c.record).where(*_conditions(query)).order_by(alerts.c.number.desc()).limit(query.limit)
        )
        found = await self._database.read(lambda connection: connection.scalars(statement).all())
        return [records.decode(record, Alert) for record in found]

    async def alerts_firing(self) -> FiringAlerts:
        """See `AlertStore`."""
        return await self._database.read(
            lambda connection: FiringAlerts(sequence=_newest(connection), alerts=_firing(connection))
        )

    async def alert_events(self, *, after: int, limit: int) -> Sequence[AlertEvent]:
        """See `AlertStore`."""
        return await self._database.read(lambda connection: _events(connection, after, limit))

    async def newest_alert_sequence(self) -> int:
        """See `AlertStore`."""
        return await self._database.read(_newest)

    async def silences_at(self, at: Instant, *, after: str = "", limit: int) -> Sequence[Silence]:
        """See `AlertStore`."""
        query = (
            sa.select(silences.c.record)
            .where(silences.c.expires_at > at, silences.c.name > after)
            .order_by(silences.c.name)
            .limit(limit)
        )
        found = await self._database.read(lambda connection: connection.scalars(query).all())
        return [records.decode(record, Silence) for record in found]

    async def any_silence_over(self, at: Instant) -> bool:
        """See `AlertStore`."""
        query = sa.select(silences.c.name).where(silences.c.expires_at <= at).limit(1)
        return await self._database.read(lambda connection: connection.scalar(query) is not None)


def _newest(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.max(alert_events.c.sequence))) or 0


def _firing(connection: sa.Connection) -> list[Alert]:
    query = sa.select(alerts.c.record).where(alerts.c.firing_key.is_not(None)).order_by(alerts.c.number)
    return [records.decode(record, Alert) for record in connection.scalars(query)]


def _events(connection: sa.Connection, after: int, limit: int) -> list[AlertEvent]:
    oldest = connection.scalar(sa.select(sa.func.min(alert_events.c.sequence)))
    if oldest is not None and after + 1 < oldest:
        raise RevisionCompacted(requested=after + 1, oldest=oldest)
    query = (
        sa.select(alert_events.c.record)
        .where(alert_events.c.sequence > after)
        .order_by(alert_events.c.sequence)
        .limit(limit)
    )
    found = [records.decode(record, AlertEvent) for record in connection.scalars(query)]
    if found and found[-1].sequence - after != len(found):
        raise StorageFault(f"alert events between {after} and {found[-1].sequence} are missing from the database")
    return found


def _conditions(query: AlertQuery) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    if query.firing_only:
        conditions.append(alerts.c.firing_key.is_not(None))
    if query.agent:
        conditions.append(alerts.c.agent == query.agent)
    if query.kinds:
        conditions.append(alerts.c.kind.in_([kind.value for kind in query.kinds]))
    if query.namespaces is not None:
        conditions.append(of_namespaces(alerts.c.agent, query.namespaces))
    if query.before is not None:
        conditions.append(alerts.c.number < query.before)
    return conditions
