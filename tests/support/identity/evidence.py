"""Signals as telemetry sends them."""

import hashlib

from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2 as tpb
from ringfence_identity.config import IdentityConfig, SignalWeightsConfig
from ringfence_kit.clock import HOUR, Millis
from support.identity.mesh import IdentityMesh
from support.measuring import unmeasured

STRONG = IdentityConfig(signals=SignalWeightsConfig(evaluation_passed=60))
"""Settings under which one evaluation uses up an hour's cap."""

PASSED = tpb.SIGNAL_KIND_EVALUATION_PASSED


def signal(
    mesh: IdentityMesh,
    identity: pb.AgentIdentity,
    signal_id: str,
    kind: "tpb.SignalKind.ValueType",
    *,
    rater: str = "",
) -> tpb.Signal:
    """Return one signal about `identity`, observed now."""
    now = mesh.clock.now()
    return tpb.Signal(
        signal_id=signal_id,
        did=identity.did,
        environment=identity.environment,
        kind=kind,
        rater=rater,
        evidence=f"audit/{signal_id}",
        evidence_hash=hashlib.sha256(signal_id.encode()).digest(),
        occur_time=Timestamp(seconds=now // 1_000, nanos=now % 1_000 * 1_000_000),
    )


async def record(mesh: IdentityMesh, *signals: tpb.Signal) -> list["tpb.SignalOutcome.ValueType"]:
    """Record signals as a service and return what became of each."""
    answer = await mesh.trust().RecordSignals(tpb.RecordSignalsRequest(signals=signals))
    return [result.outcome for result in answer.results]


async def trust_of(mesh: IdentityMesh, identity: pb.AgentIdentity) -> tpb.Trust:
    """Return the trust of `identity` now."""
    return (await mesh.trust().GetTrust(tpb.GetTrustRequest(did=identity.did))).trust


async def climb(mesh: IdentityMesh, identity: pb.AgentIdentity, *, days: int) -> None:
    """Earn all that the caps allow, for some days: three evaluations an hour apart, then rest; needs `STRONG`."""
    with unmeasured():
        for _ in range(days):
            for _ in range(3):
                await record(mesh, signal(mesh, identity, f"climb-{identity.did[-8:]}-{mesh.clock.now()}", PASSED))
                mesh.clock.advance(Millis(HOUR))
            mesh.clock.advance(Millis(21 * HOUR))
