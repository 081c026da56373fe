"""Signals to `ringfence.identity.v1.TrustService` messages."""

from collections.abc import Mapping, Sequence

from ringfence.identity.v1 import trust_pb2 as pb
from ringfence_kit.wire import to_timestamp

from ringfence_telemetry.signals import Signal, SignalKind

KINDS: Mapping[SignalKind, pb.SignalKind.ValueType] = {
    SignalKind.TASK_ACCEPTED: pb.SIGNAL_KIND_TASK_ACCEPTED,
    SignalKind.TASK_REJECTED: pb.SIGNAL_KIND_TASK_REJECTED,
    SignalKind.CLEAN_DECISIONS: pb.SIGNAL_KIND_CLEAN_DECISIONS,
    SignalKind.ACTION_DENIED: pb.SIGNAL_KIND_ACTION_DENIED,
    SignalKind.PROBING: pb.SIGNAL_KIND_PROBING,
    SignalKind.SLO_BUDGET_EXHAUSTED: pb.SIGNAL_KIND_SLO_BUDGET_EXHAUSTED,
}


def record_signals(signals: Sequence[Signal]) -> pb.RecordSignalsRequest:
    """Return the request that records `signals`."""
    return pb.RecordSignalsRequest(signals=[_signal(signal) for signal in signals])


def outcome_word(result: pb.SignalResult) -> str:
    """Return what became of a signal, in a word and, when there is one, a reason."""
    word = pb.SignalOutcome.Name(result.outcome).removeprefix("SIGNAL_OUTCOME_")
    return f"{word}: {result.detail}"[:200] if result.detail else word


def _signal(signal: Signal) -> pb.Signal:
    return pb.Signal(
        signal_id=signal.signal_id,
        did=signal.did,
        environment=signal.environment,
        kind=KINDS[signal.kind],
        rater=signal.rater,
        evidence_hash=signal.evidence_hash,
        evidence=signal.evidence,
        occur_time=to_timestamp(signal.at),
    )
