"""Why a score is what it is, on the wire."""

from ringfence.identity.v1 import trust_pb2 as pb
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_identity.convert.trust import KINDS, OUTCOMES, trust_to_proto
from ringfence_identity.model import RecordedSignal
from ringfence_identity.trust.caps import Cap
from ringfence_identity.trust.insight import Explained, ExplainTrust
from ringfence_identity.trust.promotion import Condition

SIGNALS_SHOWN = 20
MOST_SIGNALS_SHOWN = 200

_KIND_NUMBERS = {kind: number for number, kind in KINDS.items()}


def explain_trust(request: pb.ExplainTrustRequest) -> ExplainTrust:
    """Return whose trust is to be explained."""
    found = Violations()
    did = found.text(request.did, "did", max_bytes=1_024)
    signals = found.integer(request.signals, "signals", minimum=0, maximum=MOST_SIGNALS_SHOWN)
    return found.ok(ExplainTrust(did=did, signals=signals or SIGNALS_SHOWN))


def explained_to_proto(explained: Explained) -> pb.ExplainTrustResponse:
    """Return the response with an explanation."""
    explanation = explained.explanation
    message = pb.ExplainTrustResponse(
        trust=trust_to_proto(explained.trust),
        terms=[
            pb.TrustTerm(name=term.name, micro_points=term.micro_points, detail=term.detail)
            for term in explanation.terms
        ],
        caps=[_cap(cap) for cap in explanation.caps],
        next_ring=explanation.next_ring,
        promotion=[_condition(condition) for condition in explanation.promotion],
        weights=[
            pb.SignalWeight(kind=pb.SignalKind.ValueType(number), points=explained.weights[kind])
            for number, kind in sorted(KINDS.items())
        ],
        signals=[_counted(signal) for signal in explained.signals],
        summary=explanation.summary,
    )
    if explanation.demotion_at is not None:
        message.demotion_time.CopyFrom(to_timestamp(explanation.demotion_at))
    return message


def _cap(cap: Cap) -> pb.TrustCap:
    message = pb.TrustCap(name=cap.rule, limit_micro_points=cap.limit, left_micro_points=cap.left, rater=cap.rater)
    if cap.free_at is not None:
        message.free_time.CopyFrom(to_timestamp(cap.free_at))
    return message


def _condition(condition: Condition) -> pb.PromotionCondition:
    message = pb.PromotionCondition(condition=condition.text, met=condition.met)
    if condition.met_at is not None:
        message.met_time.CopyFrom(to_timestamp(condition.met_at))
    return message


def _counted(signal: RecordedSignal) -> pb.CountedSignal:
    return pb.CountedSignal(
        signal_id=signal.signal_id.removeprefix(f"{signal.source}/"),
        kind=pb.SignalKind.ValueType(_KIND_NUMBERS[signal.kind]),
        rater=signal.rater,
        source=signal.source,
        evidence=signal.evidence,
        outcome=OUTCOMES[signal.outcome],
        record_time=to_timestamp(signal.recorded_at),
    )
