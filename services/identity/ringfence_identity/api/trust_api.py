"""`ringfence.identity.v1.TrustService`."""

import grpc.aio
from ringfence.identity.v1 import peer_pb2, trust_pb2_grpc
from ringfence.identity.v1 import trust_pb2 as pb
from ringfence_kit.callers import current_caller
from ringfence_kit.service import Face
from ringfence_kit.wire import mutation_of

from ringfence_identity.convert import explanations as convert_explanations
from ringfence_identity.convert import grants as convert_grants
from ringfence_identity.convert import peers as convert_peers
from ringfence_identity.convert import trust as convert
from ringfence_identity.directory import Directory, trust_at
from ringfence_identity.peers.statements import TrustStatements
from ringfence_identity.peers.verification import PeerVerification
from ringfence_identity.signing_clock import SigningClock
from ringfence_identity.trust.elevation_grants import ElevationGrants
from ringfence_identity.trust.insight import TrustInsight
from ringfence_identity.trust.ring_grants import RingGrants
from ringfence_identity.trust.signals import Signals

Context = grpc.aio.ServicerContext[object, object]


class TrustApi(trust_pb2_grpc.TrustServiceServicer):
    """How far an agent is trusted at this moment, and what changes it."""

    def __init__(
        self,
        *,
        signals: Signals,
        directory: Directory,
        peers: PeerVerification,
        statements: TrustStatements,
        insight: TrustInsight,
        rings: RingGrants,
        elevations: ElevationGrants,
        clock: SigningClock,
    ) -> None:
        self._signals = signals
        self._directory = directory
        self._peers = peers
        self._statements = statements
        self._insight = insight
        self._rings = rings
        self._elevations = elevations
        self._clock = clock

    async def RecordSignals(self, request: pb.RecordSignalsRequest, context: Context) -> pb.RecordSignalsResponse:
        """Record evidence."""
        now = self._clock.now()
        signals = convert.record_signals(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id="", principal=caller.principal, now=now)
        results = await self._signals.record(signals, caller=caller, mutation=mutation)
        return pb.RecordSignalsResponse(results=[convert.signal_result_to_proto(result) for result in results])

    async def GetTrust(self, request: pb.GetTrustRequest, context: Context) -> pb.GetTrustResponse:
        """Return an agent's trust now."""
        trust = self._directory.trust(convert.get_trust(request), caller=current_caller(), now=self._clock.reading())
        return pb.GetTrustResponse(trust=convert.trust_to_proto(trust))

    async def BatchGetTrust(self, request: pb.BatchGetTrustRequest, context: Context) -> pb.BatchGetTrustResponse:
        """Return the trust of many agents now."""
        dids = convert.batch_get_trust(request)
        return convert.trusts_to_proto(self._directory.trusts(dids, caller=current_caller(), now=self._clock.reading()))

    async def ExplainTrust(self, request: pb.ExplainTrustRequest, context: Context) -> pb.ExplainTrustResponse:
        """Return why an agent's trust is what it is."""
        wanted = convert_explanations.explain_trust(request)
        explained = await self._insight.explain(wanted, caller=current_caller(), now=self._clock.reading())
        return convert_explanations.explained_to_proto(explained)

    async def GrantRing(self, request: pb.GrantRingRequest, context: Context) -> pb.GrantRingResponse:
        """Put an agent into ring 0."""
        wanted, request_id = convert_grants.grant_ring(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        granted = await self._rings.grant(wanted, caller=caller, mutation=mutation)
        return pb.GrantRingResponse(trust=convert.trust_to_proto(trust_at(granted, granted.updated_at)))

    async def GrantElevation(self, request: pb.GrantElevationRequest, context: Context) -> pb.GrantElevationResponse:
        """Sign an elevation grant."""
        wanted, request_id = convert_grants.grant_elevation(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        granted = await self._elevations.grant(wanted, caller=caller, mutation=mutation)
        return convert_grants.granted_to_proto(granted)

    async def RevokeElevation(self, request: pb.RevokeElevationRequest, context: Context) -> pb.RevokeElevationResponse:
        """End an elevation grant."""
        wanted, request_id = convert_grants.revoke_elevation(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        elevation = await self._elevations.revoke(wanted, caller=caller, mutation=mutation)
        return pb.RevokeElevationResponse(elevation=convert_grants.elevation_to_proto(elevation))

    async def CreateChallenge(
        self, request: peer_pb2.CreateChallengeRequest, context: Context
    ) -> peer_pb2.CreateChallengeResponse:
        """Make a challenge for a peer."""
        wanted = convert_peers.create_challenge(request)
        challenged = self._peers.challenge(wanted, caller=current_caller(), now=self._clock.now())
        return convert_peers.challenged_to_proto(challenged)

    async def VerifyPeer(self, request: peer_pb2.VerifyPeerRequest, context: Context) -> peer_pb2.VerifyPeerResponse:
        """Give the verdict on a peer's answer."""
        answer = convert_peers.verify_peer(request)
        verdict = await self._peers.verify(answer, caller=current_caller(), now=self._clock.now())
        return convert_peers.verdict_to_proto(verdict)

    async def IssueTrustStatement(
        self, request: peer_pb2.IssueTrustStatementRequest, context: Context
    ) -> peer_pb2.IssueTrustStatementResponse:
        """State what is known of an agent."""
        did = convert_peers.issue_trust_statement(request)
        issued = self._statements.issue(did, caller=current_caller(), now=self._clock.now())
        return convert_peers.statement_to_proto(issued)


def trust_face(api: TrustApi) -> Face:
    """Return the API as the server registers it."""
    return Face(trust_pb2_grpc.add_TrustServiceServicer_to_server, api)
