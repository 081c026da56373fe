"""Alerts in memory."""

from collections.abc import Sequence

from ringfence_kit.clock import Instant
from ringfence_kit.errors import RevisionCompacted
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable

from ringfence_telemetry.alerts.alert import Alert, AlertEvent, AlertQuery, Silence
from ringfence_telemetry.store.alerts import FiringAlerts

ALERTS: MemoryTable[int, Alert] = MemoryTable("alerts")
FIRING: MemoryTable[str, int] = MemoryTable("alerts_firing")
ALERT_EVENTS: MemoryTable[int, AlertEvent] = MemoryTable("alert_events")
SILENCES: MemoryTable[str, Silence] = MemoryTable("silences")


class MemoryAlertTx:
    """`AlertRows` on rows in memory."""

    rows: MemoryRows

    def firing_alert(self, key: str) -> Alert | None:
        """See `AlertRows`."""
        number = self.rows.table(FIRING).get(key)
        return None if number is None else self.rows.table(ALERTS)[number]

    def firing_alerts(self) -> Sequence[Alert]:
        """See `AlertRows`."""
        return _firing(self.rows)

    def alert(self, number: int) -> Alert | None:
        """See `AlertRows`."""
        return self.rows.table(ALERTS).get(number)

    def keep_alert(self, alert: Alert) -> None:
        """See `AlertRows`."""
        self.rows.table(ALERTS)[alert.number] = alert
        firing = self.rows.table(FIRING)
        if alert.fires:
            firing[alert.key] = alert.number
        elif firing.get(alert.key) == alert.number:
            del firing[alert.key]

    def alert_sequence(self) -> int:
        """See `AlertRows`."""
        return _newest(self.rows)

    def append_alert_event(self, event: AlertEvent) -> None:
        """See `AlertRows`."""
        self.rows.table(ALERT_EVENTS)[event.sequence] = event

    def silences(self, at: Instant) -> Sequence[Silence]:
        """See `AlertRows`."""
        return [silence for silence in _silences(self.rows) if silence.expires_at > at]

    def silences_over(self, at: Instant) -> Sequence[Silence]:
        """See `AlertRows`."""
        return [silence for silence in _silences(self.rows) if silence.expires_at <= at]

    def silence(self, name: str) -> Silence | None:
        """See `AlertRows`."""
        return self.rows.table(SILENCES).get(name)

    def keep_silence(self, silence: Silence) -> None:
        """See `AlertRows`."""
        self.rows.table(SILENCES)[silence.name] = silence

    def drop_silence(self, name: str) -> None:
        """See `AlertRows`."""
        self.rows.table(SILENCES).pop(name, None)

    def forget_alerts(self, *, before: Instant, limit: int) -> int:
        """See `AlertRows`."""
        alerts, events, newest = self.rows.table(ALERTS), self.rows.table(ALERT_EVENTS), self.alert_sequence()
        over = [each.number for each in alerts.values() if each.resolved_at is not None and each.resolved_at < before]
        for number in over[:limit]:
            del alerts[number]
        old = [each.sequence for each in events.values() if each.at < before and each.sequence < newest][:limit]
        gone = [sequence for sequence in events if old and sequence <= old[-1]]
        for sequence in gone:
            del events[sequence]
        return max(len(over[:limit]), len(gone))


class MemoryAlertStore:
    """An `AlertStore` in memory."""

    _database: MemoryDatabase

    async def alerts(self, query: AlertQuery) -> Sequence[Alert]:
        """See `AlertStore`."""
        found = await self._database.read(lambda rows: [*rows.table(ALERTS).values()])
        asked = [alert for alert in found if _asked(alert, query)]
        return sorted(asked, key=lambda alert: -alert.number)[: query.limit]

    async def alerts_firing(self) -> FiringAlerts:
        """See `AlertStore`."""
        return await self._database.read(lambda rows: FiringAlerts(sequence=_newest(rows), alerts=_firing(rows)))

    async def alert_events(self, *, after: int, limit: int) -> Sequence[AlertEvent]:
        """See `AlertStore`."""
        found = await self._database.read(lambda rows: dict(rows.table(ALERT_EVENTS)))
        if found and after + 1 < min(found):
            raise RevisionCompacted(requested=after + 1, oldest=min(found))
        return [event for sequence, event in sorted(found.items()) if sequence > after][:limit]

    async def newest_alert_sequence(self) -> int:
        """See `AlertStore`."""
        return await self._database.read(_newest)

    async def silences_at(self, at: Instant, *, after: str = "", limit: int) -> Sequence[Silence]:
        """See `AlertStore`."""
        found = await self._database.read(_silences)
        return [silence for silence in found if silence.expires_at > at and silence.name > after][:limit]

    async def any_silence_over(self, at: Instant) -> bool:
        """See `AlertStore`."""
        found = await self._database.read(_silences)
        return any(silence.expires_at <= at for silence in found)


def _newest(rows: MemoryRows) -> int:
    return max(rows.table(ALERT_EVENTS), default=0)


def _firing(rows: MemoryRows) -> list[Alert]:
    return [alert for _, alert in sorted(rows.table(ALERTS).items()) if alert.fires]


def _silences(rows: MemoryRows) -> list[Silence]:
    return [silence for _, silence in sorted(rows.table(SILENCES).items())]


def _asked(alert: Alert, query: AlertQuery) -> bool:
    return (
        (alert.fires or not query.firing_only)
        and query.agent in ("", alert.agent)
        and (not query.kinds or alert.kind in query.kinds)
        and (
            query.namespaces is None
            or any(alert.agent.startswith(f"namespaces/{each}/agents/") for each in query.namespaces)
        )
        and (query.before is None or alert.number < query.before)
    )
