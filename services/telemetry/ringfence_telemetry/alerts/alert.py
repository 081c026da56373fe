"""An alert, what happens to it, and the silences that keep it quiet: values without any doing.

The rules:

- an alert is told by its number, the sequence number of the event that began it: unique, and in the order of time;
- whoever was told that an alert fires is told that it is over, silenced or not; whoever was not, is not.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from ringfence_kit.clock import Instant

from ringfence_telemetry.alerts.draft import AlertKind

ALERT = "alert"
"""The kind of an alert's events among the events of the service."""

TRACES_MAX = 5


class AlertEventType(enum.Enum):
    """What happened to an alert. The values are stored; they never change."""

    FIRED = "fired"
    RESOLVED = "resolved"
    ACKED = "acked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that somebody should look at, or should have."""

    number: int
    key: str
    """What makes two alerts the same; at most one of a key fires."""
    kind: AlertKind
    message: str
    page: bool
    subject: str = ""
    agent: str = ""
    evidence: Mapping[str, str] = field(default_factory=dict)
    trace_ids: tuple[str, ...] = ()
    fired_at: Instant
    seen_at: Instant
    """When it was last noticed, as far as that is kept."""
    resolved_at: Instant | None = None
    acked_by: str = ""
    acked_at: Instant | None = None
    silence: str = ""
    """The silence that keeps it quiet; empty when none does."""
    told: bool = True
    """Whether anybody who asked for no silenced alerts was told of it."""

    @property
    def name(self) -> str:
        """The resource name."""
        return f"alerts/{self.number}"

    @property
    def fires(self) -> bool:
        """Whether it goes on."""
        return self.resolved_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent:
    """Something that happened to an alert."""

    sequence: int
    """Grows by one with every event of any alert, without a gap."""
    type: AlertEventType
    alert: Alert
    """As it is after it."""
    at: Instant

    @property
    def audible(self) -> bool:
        """Whether those who asked for no silenced alerts are told of it."""
        return self.alert.told and not (self.type is AlertEventType.FIRED and self.alert.silence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A time in which alerts are kept quiet."""

    name: str
    """`silences/{silence}`."""
    subject: str = ""
    """Only alerts about this subject; empty means any."""
    agent: str = ""
    kind: AlertKind | None = None
    reason: str
    actor: str
    created_at: Instant
    expires_at: Instant

    def covers(self, alert: Alert) -> bool:
        """Say whether it keeps `alert` quiet."""
        return (
            self.subject in ("", alert.subject) and self.agent in ("", alert.agent) and self.kind in (None, alert.kind)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertQuery:
    """Which alerts to list."""

    firing_only: bool = False
    agent: str = ""
    """Only this agent's; empty means all."""
    kinds: tuple[AlertKind, ...] = ()
    """Only of these; none means all."""
    namespaces: tuple[str, ...] | None = None
    """Only those of agents of these namespaces; None means all."""
    before: int | None = None
    """Only those with a smaller number."""
    limit: int
