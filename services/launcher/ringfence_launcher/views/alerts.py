"""How alerts look in a terminal: what is wrong, since when, and who looks at it."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.telemetry.v1 import alert_pb2 as pb

from ringfence_launcher.output import fields, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.words import time_text, word

_HAPPENED = {
    pb.ALERT_EVENT_TYPE_FIRED: ("fired", "red"),
    pb.ALERT_EVENT_TYPE_RESOLVED: ("resolved", "green"),
    pb.ALERT_EVENT_TYPE_ACKED: ("acked", "cyan"),
}


def listed(alerts: Sequence[pb.Alert]) -> RenderableType:
    """Show a line for each alert."""
    rows = (
        (_id(each.name), _state(each), word(pb.AlertKind, each.kind), time_text(each.fire_time), plain(each.message))
        for each in alerts
    )
    return table([">ALERT", "STATE", "KIND", "SINCE", ""], rows, empty="nothing to look at")


def alert(found: pb.Alert) -> RenderableType:
    """Show one."""
    evidence = ", ".join(f"{name} {value}" for name, value in sorted(found.evidence.items()))
    return fields(
        [
            ("alert", _id(found.name)),
            ("state", _state(found)),
            ("kind", word(pb.AlertKind, found.kind)),
            ("message", plain(found.message)),
            ("about", plain(found.subject)),
            ("agent", plain(found.agent)),
            ("since", time_text(found.fire_time)),
            ("until", time_text(found.resolve_time)),
            ("looked at by", plain(found.acked_by)),
            ("evidence", plain(evidence)),
            ("traces", ", ".join(found.trace_ids)),
        ]
    )


def happened(answer: pb.WatchAlertsResponse) -> RenderableType:
    """Show one event, on a line."""
    match answer.WhichOneof("message"):
        case "event":
            event = answer.event
            said, style = _HAPPENED.get(event.type, ("", ""))
            head = f"{event.sequence:>6}  {time_text(event.event_time)}  "
            return Text.assemble(head, (f"{said:<9}", style), f" {_id(event.alert.name):>6}  ", _text(event.alert))
        case "firing":
            return Text.assemble(
                f"{'':>6}  {time_text(answer.firing.fire_time)}  ",
                ("fires    ", "red"),
                f" {_id(answer.firing.name):>6}  ",
                _text(answer.firing),
            )
        case _:
            return Text(f"{answer.bookmark.next_sequence:>6}  nothing happened before this", style="dim")


def silences(found: Sequence[pb.Silence]) -> RenderableType:
    """Show a line for each silence."""
    rows = (
        (_id(each.name), _covers(each), time_text(each.expire_time), plain(each.actor), plain(each.reason))
        for each in found
    )
    return table(["SILENCE", "OF", "UNTIL", "BY", "WHY"], rows, empty="nothing is kept quiet")


def silence(found: pb.Silence) -> RenderableType:
    """Show one."""
    return fields(
        [
            ("silence", _id(found.name)),
            ("of", _covers(found)),
            ("until", time_text(found.expire_time)),
            ("by", plain(found.actor)),
            ("why", plain(found.reason)),
        ]
    )


def ended(name: str) -> RenderableType:
    """Say that a silence is over."""
    return Text(f"{name} is over")


def _state(found: pb.Alert) -> Text:
    if found.state != pb.ALERT_STATE_FIRING:
        return Text("over", style="dim")
    urgent = found.urgency == pb.ALERT_URGENCY_PAGE
    words = ["fires", *(["now!"] if urgent else []), *(["acked"] if found.acked_by else [])]
    return Text(" ".join([*words, *(["silenced"] if found.silence else [])]), style="bold red" if urgent else "yellow")


def _covers(found: pb.Silence) -> str:
    parts = [word(pb.AlertKind, found.kind), plain(found.subject), plain(found.agent)]
    return ", ".join(part for part in parts if part)


def _text(found: pb.Alert) -> str:
    return plain(found.message)


def _id(name: str) -> str:
    """Return what commands take: `42` for `alerts/42`."""
    return name.rpartition("/")[2]
