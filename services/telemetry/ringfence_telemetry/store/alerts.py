"""What alerts ask of storage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.clock import Instant
from ringfence_kit.store import Recorder

from ringfence_telemetry.alerts.alert import Alert, AlertEvent, AlertQuery, Silence


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringAlerts:
    """What fires, as of one moment."""

    sequence: int
    """Of the newest event of that moment."""
    alerts: Sequence[Alert]
    """By number."""


class AlertRows(Protocol):
    """Alerts and silences in a transaction. Reads see the transaction's own writes."""

    def firing_alert(self, key: str) -> Alert | None:
        """Return the alert of a key that fires, or None."""
        ...

    def firing_alerts(self) -> Sequence[Alert]:
        """Return every alert that fires, by number."""
        ...

    def alert(self, number: int) -> Alert | None:
        """Return an alert, or None."""
        ...

    def keep_alert(self, alert: Alert) -> None:
        """Keep an alert as it is now. At most one of a key may fire."""
        ...

    def alert_sequence(self) -> int:
        """Return the sequence number of the newest event, 0 when there was never one; the writer's alone."""
        ...

    def append_alert_event(self, event: AlertEvent) -> None:
        """Keep an event; its sequence number is one more than that of the newest."""
        ...

    def silences(self, at: Instant) -> Sequence[Silence]:
        """Return the silences that end after `at`, by name."""
        ...

    def silences_over(self, at: Instant) -> Sequence[Silence]:
        """Return the silences kept that ended at `at` or before, by name."""
        ...

    def silence(self, name: str) -> Silence | None:
        """Return a silence, over or not, or None."""
        ...

    def keep_silence(self, silence: Silence) -> None:
        """Keep a new silence."""
        ...

    def drop_silence(self, name: str) -> None:
        """Forget a silence; one that is not there is no mistake."""
        ...

    def forget_alerts(self, *, before: Instant, limit: int) -> int:
        """Forget up to `limit` alerts that were over before an instant, and as many events older than it.

        The newest event stays, whatever its age: what comes next is numbered by it. Returns the larger number.
        """
        ...


class AlertTx(AlertRows, Recorder, Protocol):
    """What alerts are begun and ended with."""


class AlertStore(Protocol):
    """Reads of alerts outside a mutation."""

    async def alerts(self, query: AlertQuery) -> Sequence[Alert]:
        """Return alerts, the newest first."""
        ...

    async def alerts_firing(self) -> FiringAlerts:
        """Return what fires."""
        ...

    async def alert_events(self, *, after: int, limit: int) -> Sequence[AlertEvent]:
        """Return up to `limit` events after a sequence number, in order, without a gap.

        Raises `RevisionCompacted` when an event after it is no longer kept.
        """
        ...

    async def newest_alert_sequence(self) -> int:
        """Return the sequence number of the newest event, 0 when there was never one."""
        ...

    async def silences_at(self, at: Instant, *, after: str = "", limit: int) -> Sequence[Silence]:
        """Return up to `limit` silences that end after `at` and whose names follow `after`, by name."""
        ...

    async def any_silence_over(self, at: Instant) -> bool:
        """Say whether a silence that is kept ended at `at` or before."""
        ...
