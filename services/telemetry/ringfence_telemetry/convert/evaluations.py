"""`ringfence.telemetry.v1.EvaluationService` messages to values and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import evaluation_pb2 as pb
from ringfence_kit.clock import DAY, Instant
from ringfence_kit.validation import Violations

from ringfence_telemetry.convert.usage import LABEL_BYTES_MAX
from ringfence_telemetry.evaluation.acceptance import Subject
from ringfence_telemetry.evaluation.counts import Acceptance
from ringfence_telemetry.evaluation.drift import Drift, Level, worst
from ringfence_telemetry.evaluation.gate import DAYS, SAMPLES, AcceptanceGate, GateResult, accepted
from ringfence_telemetry.evaluation.judgement import KEPT, Judgement, Layer, judgement_key
from ringfence_telemetry.evaluation.said import SCORE_MAX, TEXT_MAX
from ringfence_telemetry.evaluation.shares import Share
from ringfence_telemetry.reporters import is_identity
from ringfence_telemetry.spans import SKEW_MAX

EVALUATIONS_MAX = 1_000
EVALUATOR_MAX = 200
ID_MAX = 256
NAMES_MAX = 16
SAMPLES_MAX = 1_000_000
GATE_DAYS_MAX = 400
DRIFT_DAYS, DRIFT_DAYS_MAX = 7, 90
LATENCY_MAX_MICROS = 24 * 3_600 * 1_000_000
INT64_MAX = 2**63 - 1

LAYERS: Mapping[int, Layer] = {
    pb.EVALUATION_LAYER_STEP: Layer.STEP,
    pb.EVALUATION_LAYER_WORKFLOW: Layer.WORKFLOW,
    pb.EVALUATION_LAYER_LONG_HORIZON: Layer.LONG_HORIZON,
}
LEVELS: Mapping[Level, "pb.DriftLevel.ValueType"] = {
    Level.UNKNOWN: pb.DRIFT_LEVEL_UNSPECIFIED,
    Level.STABLE: pb.DRIFT_LEVEL_STABLE,
    Level.WATCH: pb.DRIFT_LEVEL_WATCH,
    Level.ALERT: pb.DRIFT_LEVEL_ALERT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEvaluations:
    """A checked RecordEvaluationsRequest."""

    judgements: tuple[Judgement, ...]
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTime:
    """Whose numbers, over which time."""

    subject: Subject
    start: Instant
    end: Instant
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutGate:
    """A checked PutAcceptanceGateRequest."""

    gate: AcceptanceGate
    etag: str
    request_id: str


def record_evaluations(request: pb.RecordEvaluationsRequest, *, judge: str, now: Instant) -> RecordEvaluations:
    """Build the command, or raise InvalidRequest."""
    found, judgements = Violations(), list[Judgement]()
    for path, said in found.items(request.evaluations, "evaluations", max_items=EVALUATIONS_MAX, min_items=1):
        judgement = _judgement(found.at(path), said, judge=judge, now=now)
        judgements += [judgement] if judgement is not None else []
    ids = [said.evaluation_id for said in request.evaluations[:EVALUATIONS_MAX]]
    found.distinct([each or index for index, each in enumerate(ids)], "evaluations")
    request_id = found.request_id(request.request_id)
    found.raise_if_any()
    return RecordEvaluations(judgements=tuple(judgements), request_id=request_id)


def get_acceptance(request: pb.GetAcceptanceRequest, *, now: Instant) -> OverTime:
    """Build the question, or raise InvalidRequest."""
    found = Violations()
    subject = _subject(found, request.agent, request.version, request.also_known_as)
    start = _time(found, request, "start_time", Instant(now - DAYS * DAY))
    end = _time(found, request, "end_time", now)
    return _over_time(found, subject, start, end)


def put_gate(request: pb.PutAcceptanceGateRequest) -> PutGate:
    """Build the command, or raise InvalidRequest."""
    found = Violations()
    gate = _gate(found.at("gate"), request.gate)
    etag = found.etag(request.etag) or found.etag(request.gate.etag, "gate.etag")
    request_id = found.request_id(request.request_id)
    return PutGate(gate=found.ok(gate), etag=etag, request_id=request_id)


def check_acceptance(request: pb.CheckAcceptanceRequest) -> Subject:
    """Build the question, or raise InvalidRequest."""
    found = Violations()
    return found.ok(_subject(found, request.agent, request.version, request.also_known_as))


def pin_baseline(request: pb.PinBaselineRequest, *, now: Instant) -> OverTime:
    """Build the command, or raise InvalidRequest."""
    found = Violations()
    subject = _subject(found, request.agent, request.version, ())
    _identity(found, request.agent, "agent")
    start, end = _time(found, request, "start_time", None), _time(found, request, "end_time", None)
    if end is not None and end > now:
        found.add("end_time", "lies in the future; a baseline is of a time that is over")
    request_id = found.request_id(request.request_id)
    return _over_time(found, subject, start, end, request_id=request_id)


def get_drift(request: pb.GetDriftRequest) -> tuple[Subject, int]:
    """Build the question, or raise InvalidRequest."""
    found = Violations()
    subject = _subject(found, request.agent, request.version, ())
    days = found.integer(request.days or DRIFT_DAYS, "days", minimum=1, maximum=DRIFT_DAYS_MAX)
    return found.ok(subject), days


def acceptance_to_proto(subject: Subject, found: Acceptance) -> pb.Acceptance:
    """Return how a version does."""
    return pb.Acceptance(
        agent=subject.agent,
        version=subject.version,
        accuracy=_share(found.accuracy),
        escalation=_share(found.escalation),
        safe_completion=_share(found.safe_completion),
        latency_p95_micros=found.latency_p95_micros,
        workflows=min(found.workflows, INT64_MAX),
    )


def gate_to_proto(gate: AcceptanceGate) -> pb.AcceptanceGate:
    """Return a gate."""
    return pb.AcceptanceGate(
        agent=gate.agent,
        min_accuracy=gate.min_accuracy,
        max_escalation=gate.max_escalation,
        min_safe_completion=gate.min_safe_completion,
        max_latency_p95_micros=gate.max_latency_p95_micros,
        min_samples=gate.min_samples,
        days=gate.days,
        etag=gate.etag,
    )


def results_to_proto(results: tuple[GateResult, ...]) -> pb.CheckAcceptanceResponse:
    """Return the answer to a gate."""
    return pb.CheckAcceptanceResponse(
        accepted=accepted(results),
        results=[pb.AcceptanceResult(what=each.what, reached=each.reached, detail=each.detail) for each in results],
    )


def drifts_to_proto(found: Sequence[Drift]) -> pb.GetDriftResponse:
    """Return how far a version has moved."""
    return pb.GetDriftResponse(
        level=LEVELS[worst(found)],
        drifts=[
            pb.Drift(what=each.what, level=LEVELS[each.level], value=each.value, detail=each.detail) for each in found
        ],
    )


def _judgement(found: Violations, said: pb.Evaluation, *, judge: str, now: Instant) -> Judgement | None:
    _identity(found, said.agent, "agent")
    version = found.text(said.version, "version", max_bytes=TEXT_MAX, required=False)
    layer = found.enum(said.layer, "layer", LAYERS)
    metric = found.text(said.metric, "metric", max_bytes=TEXT_MAX)
    label = found.text(said.label, "label", max_bytes=TEXT_MAX, required=False)
    evaluator = found.text(said.evaluator, "evaluator", max_bytes=EVALUATOR_MAX, required=False)
    evaluation_id = found.text(said.evaluation_id, "evaluation_id", max_bytes=ID_MAX)
    passed = said.passed if said.HasField("passed") else None
    score = said.score if said.HasField("score") else None
    if score is not None:
        found.number(score, "score", minimum=-SCORE_MAX, maximum=SCORE_MAX)
    if passed is None and score is None and not label:
        found.add("passed", "one of passed, score and label must be set")
    _step(found, said)
    at: Instant | None = now
    if said.HasField("event_time"):
        earliest, latest = Instant(now - KEPT), Instant(now + SKEW_MAX)
        at = found.timestamp(said.event_time, "event_time", not_before=earliest, not_after=latest)
    if layer is None or at is None:
        return None
    return Judgement(
        key=judgement_key(judge, evaluation_id),
        agent=said.agent,
        version=version,
        layer=layer,
        metric=metric,
        passed=passed,
        score=score,
        label=label,
        trace_id=said.trace_id,
        span_id=said.span_id,
        evaluator=evaluator,
        judge=judge,
        at=at,
        recorded_at=now,
    )


def _step(found: Violations, said: pb.Evaluation) -> None:
    if said.trace_id:
        found.octets(said.trace_id, "trace_id", min_bytes=16, max_bytes=16)
    if said.span_id:
        found.octets(said.span_id, "span_id", min_bytes=8, max_bytes=8)
        if not said.trace_id:
            found.add("trace_id", "must be set where span_id is: a step is one of a trace")


def _identity(found: Violations, agent: str, field: str) -> None:
    found.text(agent, field, max_bytes=LABEL_BYTES_MAX)
    if agent and not is_identity(agent):
        found.add(field, "must be a DID, or have the form namespaces/{namespace}/agents/{agent}")


def _subject(found: Violations, agent: str, version: str, also_known_as: Sequence[str]) -> Subject:
    found.text(agent, "agent", max_bytes=LABEL_BYTES_MAX)
    found.text(version, "version", max_bytes=TEXT_MAX, required=False)
    names = [name for path, name in found.items(also_known_as, "also_known_as", max_items=NAMES_MAX)]
    for index, name in enumerate(names):
        found.text(name, f"also_known_as[{index}]", max_bytes=LABEL_BYTES_MAX)
    return Subject(agent=agent, version=version, also_known_as=tuple(names))


def _gate(found: Violations, gate: pb.AcceptanceGate) -> AcceptanceGate:
    _identity(found, gate.agent, "agent")
    latency = gate.max_latency_p95_micros if gate.HasField("max_latency_p95_micros") else None
    if latency is not None:
        found.integer(latency, "max_latency_p95_micros", minimum=1, maximum=LATENCY_MAX_MICROS)
    return AcceptanceGate(
        agent=gate.agent,
        min_accuracy=_share_of(found, gate, "min_accuracy"),
        max_escalation=_share_of(found, gate, "max_escalation"),
        min_safe_completion=_share_of(found, gate, "min_safe_completion"),
        max_latency_p95_micros=latency,
        min_samples=found.integer(gate.min_samples or SAMPLES, "min_samples", minimum=1, maximum=SAMPLES_MAX),
        days=found.integer(gate.days or DAYS, "days", minimum=1, maximum=GATE_DAYS_MAX),
    )


_ShareField: TypeAlias = Literal["min_accuracy", "max_escalation", "min_safe_completion"]


def _share_of(found: Violations, gate: pb.AcceptanceGate, field: _ShareField) -> float | None:
    if not gate.HasField(field):
        return None
    value: float = getattr(gate, field)
    return found.number(value, field, minimum=0, maximum=1)


_Timed: TypeAlias = pb.GetAcceptanceRequest | pb.PinBaselineRequest
_TimeField: TypeAlias = Literal["start_time", "end_time"]


def _time(found: Violations, request: _Timed, field: _TimeField, default: Instant | None) -> Instant | None:
    if request.HasField(field):
        value: Timestamp = getattr(request, field)
        return found.timestamp(value, field)
    if default is None:
        found.add(field, "must be set")
    return default


def _over_time(
    found: Violations, subject: Subject, start: Instant | None, end: Instant | None, *, request_id: str = ""
) -> OverTime:
    if start is not None and end is not None and end < start:
        found.add("end_time", "must not lie before start_time")
    return OverTime(subject=subject, start=found.ok(start), end=found.ok(end), request_id=request_id)


def _share(share: Share) -> pb.Share:
    return pb.Share(hits=share.hits, total=share.total, low=share.low, high=share.high)
