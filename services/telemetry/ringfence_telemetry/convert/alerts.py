"""`ringfence.telemetry.v1.AlertService` messages to values and back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ringfence.telemetry.v1 import alert_pb2 as pb
from ringfence_kit.callers import Caller
from ringfence_kit.clock import DAY, SECOND, Millis
from ringfence_kit.errors import PageTokenInvalid
from ringfence_kit.events import Event
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_telemetry.alerts.alert import Alert, AlertEventType, AlertQuery, Silence
from ringfence_telemetry.alerts.desk import NewSilence, sees_all
from ringfence_telemetry.alerts.draft import AlertKind
from ringfence_telemetry.alerts.feed import AlertItem, NextSequence, Standing, event_of
from ringfence_telemetry.convert.usage import INT64_MAX, LABEL_BYTES_MAX

REASON_BYTES_MAX = 500
SILENCE_MAX = Millis(30 * DAY)

KINDS: Mapping[int, AlertKind] = {
    pb.ALERT_KIND_SLO_BURN: AlertKind.SLO_BURN,
    pb.ALERT_KIND_SLO_EXHAUSTED: AlertKind.SLO_EXHAUSTED,
    pb.ALERT_KIND_BUDGET: AlertKind.BUDGET,
    pb.ALERT_KIND_COST_ANOMALY: AlertKind.COST_ANOMALY,
    pb.ALERT_KIND_PRICE_UNKNOWN: AlertKind.PRICE_UNKNOWN,
    pb.ALERT_KIND_BREAKER_OPEN: AlertKind.BREAKER_OPEN,
    pb.ALERT_KIND_DRIFT: AlertKind.DRIFT,
    pb.ALERT_KIND_UNATTRIBUTED: AlertKind.UNATTRIBUTED,
    pb.ALERT_KIND_UNTRUSTED_REPORTER: AlertKind.UNTRUSTED_REPORTER,
    pb.ALERT_KIND_PRESSURE: AlertKind.PRESSURE,
}
_KINDS_BACK = {kind: pb.AlertKind.ValueType(number) for number, kind in KINDS.items()}
_TYPES = {
    AlertEventType.FIRED: pb.ALERT_EVENT_TYPE_FIRED,
    AlertEventType.RESOLVED: pb.ALERT_EVENT_TYPE_RESOLVED,
    AlertEventType.ACKED: pb.ALERT_EVENT_TYPE_ACKED,
}
_ALERT_NAME = re.compile(r"alerts/([1-9][0-9]{0,17})")
_SILENCE_NAME = re.compile(r"silences/[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchAlerts:
    """A checked WatchAlertsRequest."""

    from_sequence: int | None
    send_firing: bool
    agent: str
    show_silenced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAlerts:
    """A checked ListAlertsRequest; the token is opened by the face."""

    firing_only: bool
    agent: str
    kinds: tuple[AlertKind, ...]
    page_size: int
    page_token: str

    def query(self, caller: Caller, before: int | None) -> AlertQuery:
        """Return what to read: one more than the page, to know whether there are more."""
        return AlertQuery(
            firing_only=self.firing_only,
            agent=self.agent,
            kinds=self.kinds,
            namespaces=None if sees_all(caller) else tuple(sorted(caller.namespaces)),
            before=before,
            limit=self.page_size + 1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AckAlert:
    """A checked AckAlertRequest."""

    number: int
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSilence:
    """A checked CreateSilenceRequest."""

    silence: NewSilence
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSilence:
    """A checked DeleteSilenceRequest."""

    name: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSilences:
    """A checked ListSilencesRequest; the token is opened by the face."""

    page_size: int
    page_token: str


def watch_alerts(request: pb.WatchAlertsRequest) -> WatchAlerts:
    """Return what is to be watched, or raise InvalidRequest."""
    found = Violations()
    start = found.integer(request.from_sequence, "from_sequence", minimum=0, maximum=INT64_MAX)
    if start > 0 and request.send_firing:
        found.add(
            "from_sequence", "must be 0 with send_firing: what fires is as of now, and the events go on from there"
        )
    agent = found.text(request.agent, "agent", max_bytes=LABEL_BYTES_MAX, required=False)
    watch = WatchAlerts(
        from_sequence=start or None,
        send_firing=request.send_firing,
        agent=agent,
        show_silenced=request.show_silenced,
    )
    return found.ok(watch)


def list_alerts(request: pb.ListAlertsRequest) -> ListAlerts:
    """Build the question, or raise InvalidRequest."""
    found = Violations()
    agent = found.text(request.agent, "agent", max_bytes=LABEL_BYTES_MAX, required=False)
    listed = found.items(request.kinds, "kinds", max_items=len(KINDS))
    kinds = [found.enum(kind, path, KINDS) for path, kind in listed]
    found.distinct(list(request.kinds), "kinds")
    question = ListAlerts(
        firing_only=request.firing_only,
        agent=agent,
        kinds=tuple(kind for kind in kinds if kind is not None),
        page_size=found.page_size(request.page_size),
        page_token=request.page_token,
    )
    return found.ok(question)


def ack_alert(request: pb.AckAlertRequest) -> AckAlert:
    """Build the command, or raise InvalidRequest."""
    found = Violations()
    number = found.resource_name(request.name, "name", _alert_number, shape="alerts/{alert}")
    request_id = found.request_id(request.request_id)
    return AckAlert(number=found.ok(number), request_id=request_id)


def create_silence(request: pb.CreateSilenceRequest) -> CreateSilence:
    """Build the command, or raise InvalidRequest with every violation."""
    found, sent = Violations(), request.silence
    under = found.at("silence")
    subject = under.text(sent.subject, "subject", max_bytes=2 * LABEL_BYTES_MAX, required=False)
    agent = under.text(sent.agent, "agent", max_bytes=LABEL_BYTES_MAX, required=False)
    kind = under.enum(sent.kind, "kind", KINDS) if sent.kind else None
    if not subject and not agent and not sent.kind:
        found.add("silence", "must name a subject, an agent or a kind: nothing silences everything")
    reason = under.text(sent.reason, "reason", max_bytes=REASON_BYTES_MAX)
    lasts: Millis | None = None
    if request.HasField("duration"):
        lasts = found.duration(request.duration, "duration", minimum=SECOND, maximum=SILENCE_MAX)
    else:
        found.add("duration", "must be set")
    request_id = found.request_id(request.request_id)
    wanted = NewSilence(subject=subject, agent=agent, kind=kind, reason=reason, lasts=found.ok(lasts))
    return CreateSilence(silence=wanted, request_id=request_id)


def delete_silence(request: pb.DeleteSilenceRequest) -> DeleteSilence:
    """Build the command, or raise InvalidRequest."""
    found = Violations()
    name = found.resource_name(request.name, "name", _silence_name, shape="silences/{silence}")
    request_id = found.request_id(request.request_id)
    return DeleteSilence(name=found.ok(name), request_id=request_id)


def list_silences(request: pb.ListSilencesRequest) -> ListSilences:
    """Build the question, or raise InvalidRequest."""
    found = Violations()
    return found.ok(ListSilences(page_size=found.page_size(request.page_size), page_token=request.page_token))


def alert_cursor(alert: Alert) -> bytes:
    """Return what a page token holds: the last number of the page."""
    return str(alert.number).encode()


def before_of(cursor: bytes) -> int:
    """Return the number a page ends before."""
    if not cursor.isdigit():
        raise PageTokenInvalid(problem="it holds no place in the list")
    return int(cursor)


def watched(item: AlertItem) -> pb.WatchAlertsResponse:
    """Return one message of the stream; an event's is made once for all watchers."""
    match item:
        case Event():
            return item.once(_event_message)
        case Standing(alert=alert):
            return pb.WatchAlertsResponse(firing=alert_message(alert))
        case NextSequence(sequence=sequence):
            return pb.WatchAlertsResponse(bookmark=pb.AlertBookmark(next_sequence=sequence))


def alert_message(alert: Alert) -> pb.Alert:
    """Return the message of an alert."""
    message = pb.Alert(
        name=alert.name,
        dedupe_key=alert.key,
        kind=_KINDS_BACK[alert.kind],
        urgency=pb.ALERT_URGENCY_PAGE if alert.page else pb.ALERT_URGENCY_TICKET,
        state=pb.ALERT_STATE_FIRING if alert.fires else pb.ALERT_STATE_RESOLVED,
        message=alert.message,
        subject=alert.subject,
        agent=alert.agent,
        evidence=alert.evidence,
        trace_ids=alert.trace_ids,
        fire_time=to_timestamp(alert.fired_at),
        acked_by=alert.acked_by,
        silence=alert.silence,
    )
    if alert.resolved_at is not None:
        message.resolve_time.CopyFrom(to_timestamp(alert.resolved_at))
    if alert.acked_at is not None:
        message.ack_time.CopyFrom(to_timestamp(alert.acked_at))
    return message


def silence_message(silence: Silence) -> pb.Silence:
    """Return the message of a silence."""
    return pb.Silence(
        name=silence.name,
        subject=silence.subject,
        agent=silence.agent,
        kind=pb.ALERT_KIND_UNSPECIFIED if silence.kind is None else _KINDS_BACK[silence.kind],
        reason=silence.reason,
        expire_time=to_timestamp(silence.expires_at),
        actor=silence.actor,
        create_time=to_timestamp(silence.created_at),
    )


def _event_message(event: Event) -> pb.WatchAlertsResponse:
    happened = event_of(event)
    return pb.WatchAlertsResponse(
        event=pb.AlertEvent(
            sequence=happened.sequence,
            alert=alert_message(happened.alert),
            type=_TYPES[happened.type],
            event_time=to_timestamp(happened.at),
        )
    )


def _alert_number(name: str) -> int | None:
    match = _ALERT_NAME.fullmatch(name)
    return None if match is None else int(match[1])


def _silence_name(name: str) -> str | None:
    return name if _SILENCE_NAME.fullmatch(name) else None
