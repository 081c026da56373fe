"""Alerts begin, are noticed again, and end: in the transaction of whatever made somebody notice.

The rules:

- at most one alert of a key fires; noticed again it is brought up to date, ten seconds apart at the most often, and
  nobody is told: what is noticed with every span costs a row every ten seconds;
- every event has the next sequence number and is written together with the row it is about, so a stream of them has
  no gap, over crashes and replicas too;
- an alert that becomes urgent is told again; a silenced one is kept and marked, and is told when its silence ends
  before it does.
"""

from collections.abc import Iterable
from dataclasses import replace

from ringfence_kit import records
from ringfence_kit.clock import SECOND, Instant, Millis
from ringfence_kit.events import Change

from ringfence_telemetry.alerts.alert import ALERT, TRACES_MAX, Alert, AlertEvent, AlertEventType, Silence
from ringfence_telemetry.alerts.draft import AlertDraft
from ringfence_telemetry.store.alerts import AlertTx

REFRESHED_EVERY = Millis(10 * SECOND)
"""How often the row of an alert that goes on is written."""


def fire(tx: AlertTx, draft: AlertDraft, *, at: Instant) -> Alert:
    """Begin an alert, or bring the one of its key that fires up to date; return it as it is now."""
    firing = tx.firing_alert(draft.key)
    if firing is None:
        return _begin(tx, draft, at)
    now = replace(_written(firing, draft), seen_at=at)
    if now.page and not firing.page:
        now = _told_unless_silenced(now)
        _record(tx, AlertEventType.FIRED, now, at)
    elif at - firing.seen_at >= REFRESHED_EVERY:
        tx.keep_alert(now)
    else:
        return firing
    return now


def resolve(tx: AlertTx, key: str, *, at: Instant) -> Alert | None:
    """End the alert of `key`; None when none fires."""
    firing = tx.firing_alert(key)
    if firing is None:
        return None
    over = replace(firing, resolved_at=at)
    _record(tx, AlertEventType.RESOLVED, over, at)
    return over


def acknowledge(tx: AlertTx, firing: Alert, *, by: str, at: Instant) -> Alert:
    """Note who looks at an alert that fires. Said again by the same person it changes nothing."""
    if firing.acked_by == by:
        return firing
    acked = replace(firing, acked_by=by, acked_at=at)
    _record(tx, AlertEventType.ACKED, acked, at)
    return acked


def begin_silence(tx: AlertTx, silence: Silence) -> None:
    """Keep quiet what a new silence covers, from now on."""
    tx.keep_silence(silence)
    for alert in tx.firing_alerts():
        if not alert.silence and silence.covers(alert):
            tx.keep_alert(replace(alert, silence=silence.name))


def end_silences(tx: AlertTx, ended: Iterable[Silence], *, at: Instant) -> None:
    """End silences; tell of what they kept quiet, goes on, and no other silence covers."""
    names = frozenset(silence.name for silence in ended)
    for name in sorted(names):
        tx.drop_silence(name)
    others = tx.silences(at)
    for alert in tx.firing_alerts() if names else ():
        if alert.silence in names:
            audible = replace(alert, silence=_silence_of(alert, others))
            if audible.silence or audible.told:
                tx.keep_alert(audible)
            else:
                _record(tx, AlertEventType.FIRED, replace(audible, told=True), at)


def _begin(tx: AlertTx, draft: AlertDraft, at: Instant) -> Alert:
    blank = Alert(
        number=tx.alert_sequence() + 1,
        key=draft.key,
        kind=draft.kind,
        message="",
        page=False,
        subject=draft.subject,
        agent=draft.agent,
        fired_at=at,
        seen_at=at,
        told=False,
    )
    silence = _silence_of(blank, tx.silences(at))
    alert = _told_unless_silenced(replace(_written(blank, draft), silence=silence))
    _record(tx, AlertEventType.FIRED, alert, at)
    return alert


def _written(alert: Alert, draft: AlertDraft) -> Alert:
    return replace(
        alert,
        message=draft.message,
        page=alert.page or draft.page,
        evidence=dict(draft.evidence),
        trace_ids=draft.trace_ids[:TRACES_MAX],
    )


def _told_unless_silenced(alert: Alert) -> Alert:
    return alert if alert.silence else replace(alert, told=True)


def _silence_of(alert: Alert, silences: Iterable[Silence]) -> str:
    return next((silence.name for silence in silences if silence.covers(alert)), "")


def _record(tx: AlertTx, type_: AlertEventType, alert: Alert, at: Instant) -> None:
    event = AlertEvent(sequence=tx.alert_sequence() + 1, type=type_, alert=alert, at=at)
    tx.keep_alert(alert)
    tx.append_alert_event(event)
    change = Change.ADDED if event.sequence == alert.number else Change.MODIFIED
    tx.record(change, ALERT, alert.name, records.encode(event))
