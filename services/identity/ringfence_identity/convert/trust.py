"""Signals in, trust out."""

from collections.abc import Mapping
from types import MappingProxyType

from ringfence.identity.v1 import trust_pb2 as pb
from ringfence_kit.clock import EPOCH, Instant
from ringfence_kit.names import is_resource_id
from ringfence_kit.trust_decay import TrustState
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_identity.directory import Trust, Trusts
from ringfence_identity.trust.evidence import Outcome, SignalKind
from ringfence_identity.trust.signals import Signal, SignalResult

MAX_SIGNALS = 1_000
MAX_DIDS = 1_000

KINDS: Mapping[int, SignalKind] = MappingProxyType(
    {
        pb.SIGNAL_KIND_TASK_ACCEPTED: SignalKind.TASK_ACCEPTED,
        pb.SIGNAL_KIND_TASK_REJECTED: SignalKind.TASK_REJECTED,
        pb.SIGNAL_KIND_EVALUATION_PASSED: SignalKind.EVALUATION_PASSED,
        pb.SIGNAL_KIND_CLEAN_DECISIONS: SignalKind.CLEAN_DECISIONS,
        pb.SIGNAL_KIND_HEARTBEAT: SignalKind.HEARTBEAT,
        pb.SIGNAL_KIND_ACTION_DENIED: SignalKind.ACTION_DENIED,
        pb.SIGNAL_KIND_PROBING: SignalKind.PROBING,
        pb.SIGNAL_KIND_SCOPE_ESCALATION: SignalKind.SCOPE_ESCALATION,
        pb.SIGNAL_KIND_FORGED_SIGNATURE: SignalKind.FORGED_SIGNATURE,
        pb.SIGNAL_KIND_INCIDENT_CONFIRMED: SignalKind.INCIDENT_CONFIRMED,
        pb.SIGNAL_KIND_SLO_BUDGET_EXHAUSTED: SignalKind.SLO_BUDGET_EXHAUSTED,
    }
)

OUTCOMES = MappingProxyType(
    {
        Outcome.APPLIED: pb.SIGNAL_OUTCOME_APPLIED,
        Outcome.CAPPED: pb.SIGNAL_OUTCOME_CAPPED,
        Outcome.DUPLICATE: pb.SIGNAL_OUTCOME_DUPLICATE,
        Outcome.REFUSED: pb.SIGNAL_OUTCOME_REFUSED,
    }
)


def record_signals(request: pb.RecordSignalsRequest) -> tuple[Signal, ...]:
    """Return the signals of a request, in its order."""
    found = Violations()
    listed = found.items(request.signals, "signals", min_items=1, max_items=MAX_SIGNALS)
    signals = [_signal(signal, found.at(path)) for path, signal in listed]
    found.raise_if_any()
    return tuple(signal for signal in signals if signal is not None)


def get_trust(request: pb.GetTrustRequest) -> str:
    """Return the DID that is asked about."""
    found = Violations()
    did = found.text(request.did, "did", max_bytes=1_024)
    return found.ok(did)


def batch_get_trust(request: pb.BatchGetTrustRequest) -> tuple[str, ...]:
    """Return the DIDs that are asked about. What is wrong with one of them is answered, not refused."""
    found = Violations()
    dids = [did for _, did in found.items(request.dids, "dids", min_items=1, max_items=MAX_DIDS)]
    return found.ok(tuple(dids))


def trusts_to_proto(trusts: Trusts) -> pb.BatchGetTrustResponse:
    """Return the response with the trust of many agents."""
    return pb.BatchGetTrustResponse(trusts=[trust_to_proto(trust) for trust in trusts.found], missing=trusts.missing)


def signal_result_to_proto(result: SignalResult) -> pb.SignalResult:
    """Return the message of what became of a signal."""
    return pb.SignalResult(signal_id=result.signal_id, outcome=OUTCOMES[result.outcome], detail=result.detail)


def trust_to_proto(trust: Trust) -> pb.Trust:
    """Return the message of an agent's trust."""
    return pb.Trust(
        did=trust.did,
        environment=trust.environment,
        score=trust.score,
        ring=trust.ring,
        compute_time=to_timestamp(trust.computed_at),
        state=trust_state_to_proto(trust.state),
    )


def trust_state_to_proto(state: TrustState) -> pb.TrustState:
    """Return the message of what is stored about trust; what never happened has no time."""
    message = pb.TrustState(
        earned_micro_points=state.earned,
        debt_micro_points=state.debt,
        last_positive_time=to_timestamp(state.last_positive_at),
        debt_time=to_timestamp(state.debt_at),
        last_event_time=to_timestamp(state.last_event_at),
        stored_ring=state.stored_ring,
        ceiling=state.ceiling,
    )
    if state.promoted_at != EPOCH:
        message.promote_time.CopyFrom(to_timestamp(state.promoted_at))
    if state.penalised_at != EPOCH:
        message.penalty_time.CopyFrom(to_timestamp(state.penalised_at))
    if state.ring_zero_until != EPOCH:
        message.ring_zero_until_time.CopyFrom(to_timestamp(state.ring_zero_until))
    return message


def _signal(message: pb.Signal, found: Violations) -> Signal | None:
    signal_id = found.text(message.signal_id, "signal_id", max_bytes=128)
    did = found.text(message.did, "did", max_bytes=1_024)
    if not is_resource_id(message.environment):
        found.add("environment", "must be the name of an environment")
    kind = found.enum(message.kind, "kind", KINDS)
    rater = found.text(message.rater, "rater", max_bytes=1_024, required=False)
    evidence_hash = found.octets(message.evidence_hash, "evidence_hash", min_bytes=32, max_bytes=32)
    evidence = found.text(message.evidence, "evidence", max_bytes=512, required=False)
    occurred_at = _occurred_at(message, found)
    if kind is None or occurred_at is None:
        return None
    return Signal(
        signal_id=signal_id,
        did=did,
        environment=message.environment,
        kind=kind,
        rater=rater,
        evidence=evidence,
        evidence_hash=evidence_hash,
        occurred_at=occurred_at,
    )


def _occurred_at(message: pb.Signal, found: Violations) -> Instant | None:
    """Return when it was observed: kept as it was said, since nothing is computed from it."""
    if not message.HasField("occur_time"):
        found.add("occur_time", "must be set")
        return None
    return found.timestamp(message.occur_time, "occur_time")
