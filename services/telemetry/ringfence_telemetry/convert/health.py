"""`ringfence.telemetry.v1.HealthService` messages to values and back."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from ringfence.telemetry.v1 import health_pb2 as pb
from ringfence_kit.events import Bookmark, Change, Revision
from ringfence_kit.state_watch import StateComplete
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_telemetry.health_board import Health, HealthChange, HealthItem

_TYPES: Mapping[Change, pb.HealthEventType.ValueType] = {
    Change.ADDED: pb.HEALTH_EVENT_TYPE_ADDED,
    Change.MODIFIED: pb.HEALTH_EVENT_TYPE_MODIFIED,
    Change.DELETED: pb.HEALTH_EVENT_TYPE_DELETED,
}
_CIRCUITS = {
    "CLOSED": pb.CIRCUIT_STATE_CLOSED,
    "OPEN": pb.CIRCUIT_STATE_OPEN,
    "HALF_OPEN": pb.CIRCUIT_STATE_HALF_OPEN,
}
_SLOS = {
    "MET": pb.SLO_STATE_MET,
    "AT_RISK": pb.SLO_STATE_AT_RISK,
    "BURNING": pb.SLO_STATE_BURNING,
    "BREACHED": pb.SLO_STATE_BREACHED,
    "NO_DATA": pb.SLO_STATE_NO_DATA,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthWatch:
    """What somebody wants to hear, and from when."""

    send_state: bool
    start_revision: Revision | None
    """None means from now on."""


def watch_health(request: pb.WatchHealthRequest) -> HealthWatch:
    """Return what is to be watched, or raise InvalidRequest."""
    found, start = Violations(), request.start_revision
    if start < 0:
        found.add("start_revision", "must not be negative")
    if start > 0 and request.send_initial_state:
        found.add("start_revision", "must be 0 with send_initial_state: the state stands at one revision, the newest")
    found.raise_if_any()
    return HealthWatch(send_state=request.send_initial_state, start_revision=Revision(start) if start else None)


def watched(item: HealthItem) -> pb.WatchHealthResponse:
    """Return one event of the stream."""
    match item:
        case HealthChange(change=change, health=health, revision=revision):
            return pb.WatchHealthResponse(
                type=_TYPES[change],
                revision=revision,
                health=_health(health),
                event_time=to_timestamp(health.at),
            )
        case StateComplete(revision=revision, at=at) | Bookmark(revision=revision, at=at):
            return pb.WatchHealthResponse(
                type=pb.HEALTH_EVENT_TYPE_BOOKMARK,
                revision=revision,
                event_time=to_timestamp(at),
                initial_state_end=isinstance(item, StateComplete),
            )


def _health(health: Health) -> pb.AgentHealth:
    figures, judged = health.figures, health.judged
    message = pb.AgentHealth(
        agent=health.subject.agent,
        revision=health.subject.revision,
        skill=health.subject.skill,
        circuit=_CIRCUITS.get(judged.circuit, pb.CIRCUIT_STATE_UNSPECIFIED),
        slo=_SLOS.get(judged.slo, pb.SLO_STATE_UNSPECIFIED),
        order=judged.order,
        budget_left=judged.budget_left,
        version=judged.version,
        calls=figures.calls,
        errors=figures.errors,
        slow=figures.slow,
        window_end_time=to_timestamp(health.at),
    )
    if figures.calls:
        message.latency_p50.CopyFrom(_duration(figures.latency_p50_micros))
        message.latency_p95.CopyFrom(_duration(figures.latency_p95_micros))
        message.latency_p99.CopyFrom(_duration(figures.latency_p99_micros))
    if health.until is not None:
        message.expire_time.CopyFrom(to_timestamp(health.until))
    return message


def _duration(micros: int) -> Duration:
    seconds, rest = divmod(micros, 1_000_000)
    return Duration(seconds=seconds, nanos=rest * 1_000)
