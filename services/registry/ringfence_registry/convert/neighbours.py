"""What identity and telemetry say, as values, and the watches that say it.

Both services have checked what they send; what cannot be read all the same (a newer release's standing, a name that is
none) is not known, and nothing is made of it.
"""

from collections.abc import Mapping

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import identity_pb2, identity_pb2_grpc, trust_pb2
from ringfence.telemetry.v1 import health_pb2, health_pb2_grpc
from ringfence.watch import AioWatch
from ringfence_kit.clock import EPOCH, Instant
from ringfence_kit.names import AgentName
from ringfence_kit.trust_decay import TrustState
from ringfence_kit.wire import to_instant

from ringfence_registry.finding.views import Circuit, Health, Order, Slo
from ringfence_registry.neighbours.health_feed import HealthReport, Subject
from ringfence_registry.neighbours.identities import Identity, Standing

_STANDINGS: Mapping[int, Standing] = {
    identity_pb2.IDENTITY_STATUS_ACTIVE: Standing.ACTIVE,
    identity_pb2.IDENTITY_STATUS_SUSPENDED: Standing.SUSPENDED,
    identity_pb2.IDENTITY_STATUS_REVOKED: Standing.REVOKED,
}
_CIRCUITS: Mapping[int, Circuit] = {
    health_pb2.CIRCUIT_STATE_CLOSED: Circuit.CLOSED,
    health_pb2.CIRCUIT_STATE_OPEN: Circuit.OPEN,
    health_pb2.CIRCUIT_STATE_HALF_OPEN: Circuit.HALF_OPEN,
}
_SLOS: Mapping[int, Slo] = {
    health_pb2.SLO_STATE_MET: Slo.MET,
    health_pb2.SLO_STATE_AT_RISK: Slo.AT_RISK,
    health_pb2.SLO_STATE_BREACHED: Slo.BREACHED,
    # One that burns is at risk, for whoever chooses: the order says how gravely.
    health_pb2.SLO_STATE_BURNING: Slo.AT_RISK,
}
_ORDERS: Mapping[int, Order] = {order.value: order for order in Order}


def identity_watch(
    channel: grpc.aio.Channel,
) -> AioWatch[identity_pb2.WatchAgentsRequest, identity_pb2.WatchAgentsResponse]:
    """Return a watch of every identity, current state first."""
    stub: identity_pb2_grpc.IdentityServiceAsyncStub = identity_pb2_grpc.IdentityServiceStub(channel)
    return AioWatch(stub.WatchAgents, identity_pb2.WatchAgentsRequest(), initial_state=True)


def health_watch(
    channel: grpc.aio.Channel,
) -> AioWatch[health_pb2.WatchHealthRequest, health_pb2.WatchHealthResponse]:
    """Return a watch of everybody's health, current state first."""
    stub: health_pb2_grpc.HealthServiceAsyncStub = health_pb2_grpc.HealthServiceStub(channel)
    return AioWatch(stub.WatchHealth, health_pb2.WatchHealthRequest(), initial_state=True)


def identity_said(answer: identity_pb2.WatchAgentsResponse) -> tuple[str, Identity | None]:
    """Return the DID an event is about, and the identity; None when it cannot be read."""
    said = answer.identity
    agent, standing = AgentName.parse(said.agent), _STANDINGS.get(said.status)
    if agent is None or standing is None:
        return said.did, None
    return said.did, Identity(
        did=said.did,
        agent=agent,
        environment=said.environment,
        standing=standing,
        trust=_trust(said.trust_state),
        ring_ceiling=said.birth_certificate.ring_ceiling,
        # A key that is compromised leaves a new version of the DID, and every end of permission a new epoch.
        keys=(said.did_version_id, said.public_key_multibase, str(said.revocation_epoch)),
        expires_at=to_instant(said.expire_time) if said.HasField("expire_time") else None,
    )


def health_said(answer: health_pb2.WatchHealthResponse) -> HealthReport:
    """Return what telemetry says of an agent."""
    said = answer.health
    calls = max(said.calls, 0)
    return HealthReport(
        subject=Subject(said.agent, said.revision, said.skill),
        health=Health(
            circuit=_CIRCUITS.get(said.circuit),
            slo=_SLOS.get(said.slo),
            order=_ORDERS.get(said.order),
            calls=calls,
            error_rate=min(max(said.errors, 0), calls) / calls if calls else None,
            latency_p50_ms=said.latency_p50.ToNanoseconds() / 1e6 if said.HasField("latency_p50") else None,
            latency_p95_ms=said.latency_p95.ToNanoseconds() / 1e6 if said.HasField("latency_p95") else None,
        ),
        window_end=_instant(said.window_end_time),
        judged_until=_instant(said.expire_time) if said.HasField("expire_time") else None,
    )


def _trust(state: trust_pb2.TrustState) -> TrustState:
    return TrustState(
        earned=state.earned_micro_points,
        debt=state.debt_micro_points,
        last_positive_at=_instant(state.last_positive_time),
        debt_at=_instant(state.debt_time),
        last_event_at=_instant(state.last_event_time),
        stored_ring=state.stored_ring,
        promoted_at=_instant(state.promote_time),
        penalised_at=_instant(state.penalty_time),
        ceiling=state.ceiling,
        ring_zero_until=_instant(state.ring_zero_until_time),
    )


def _instant(timestamp: Timestamp) -> Instant:
    return to_instant(timestamp) if timestamp.ByteSize() else EPOCH
