"""`ringfence.identity.v1.IdentityService`."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc.aio
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import identity_pb2_grpc
from ringfence.identity.v1 import revocation_pb2 as rpb
from ringfence_kit.callers import current_caller
from ringfence_kit.service import Face
from ringfence_kit.wire import mutation_of

from ringfence_identity.api.sponsor_methods import SponsorMethods
from ringfence_identity.compromise import Compromise
from ringfence_identity.convert import identities as convert
from ringfence_identity.convert import lifecycle
from ringfence_identity.convert import revocations as convert_revocations
from ringfence_identity.directory import Directory
from ringfence_identity.enrolment import Enrolment
from ringfence_identity.identity_listing import IdentityListing
from ringfence_identity.resolution import Resolver
from ringfence_identity.revocation import Revocation
from ringfence_identity.revocation_watching import RevocationWatching
from ringfence_identity.rotation import Rotation
from ringfence_identity.signing_clock import SigningClock
from ringfence_identity.sponsors.offboarding import Offboarding
from ringfence_identity.sponsors.reading import SponsorReading
from ringfence_identity.sponsors.registration import Sponsors
from ringfence_identity.suspension import Suspensions
from ringfence_identity.watching import AgentWatching

Context = grpc.aio.ServicerContext[object, object]


class IdentityApi(SponsorMethods, identity_pb2_grpc.IdentityServiceServicer):
    """Who an agent is: sponsors, enrolment, DIDs, revocation."""

    def __init__(
        self,
        *,
        sponsors: Sponsors,
        sponsor_reading: SponsorReading,
        offboarding: Offboarding,
        enrolment: Enrolment,
        directory: Directory,
        listing: IdentityListing,
        resolver: Resolver,
        rotation: Rotation,
        compromise: Compromise,
        suspensions: Suspensions,
        revocation: Revocation,
        watching: AgentWatching,
        revocation_watching: RevocationWatching,
        clock: SigningClock,
    ) -> None:
        super().__init__(sponsors=sponsors, reading=sponsor_reading, offboarding=offboarding, clock=clock)
        self._enrolment = enrolment
        self._directory = directory
        self._listing = listing
        self._resolver = resolver
        self._rotation = rotation
        self._compromise = compromise
        self._suspensions = suspensions
        self._revocation = revocation
        self._watching = watching
        self._revocation_watching = revocation_watching
        self._clock = clock

    async def BeginRegistration(
        self, request: pb.BeginRegistrationRequest, context: Context
    ) -> pb.BeginRegistrationResponse:
        """Give a challenge."""
        wanted = convert.begin_registration(request)
        begun = self._enrolment.begin(wanted, caller=current_caller(), now=self._clock.now())
        return convert.begun_to_proto(begun)

    async def CompleteRegistration(
        self, request: pb.CompleteRegistrationRequest, context: Context
    ) -> pb.CompleteRegistrationResponse:
        """Enrol an agent."""
        answer, request_id = convert.complete_registration(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        enrolled = await self._enrolment.complete(answer, caller=caller, mutation=mutation)
        return convert.enrolled_to_proto(enrolled)

    async def GetAgentIdentity(
        self, request: pb.GetAgentIdentityRequest, context: Context
    ) -> pb.GetAgentIdentityResponse:
        """Return an identity."""
        identity = self._directory.find(convert.get_agent_identity(request), caller=current_caller())
        return pb.GetAgentIdentityResponse(identity=convert.identity_to_proto(identity))

    async def ListAgentIdentities(
        self, request: pb.ListAgentIdentitiesRequest, context: Context
    ) -> pb.ListAgentIdentitiesResponse:
        """List identities."""
        query, now = convert.list_identities(request), self._clock.reading()
        return convert.identity_page_to_proto(self._listing.list_identities(query, caller=current_caller(), now=now))

    async def ResolveDid(self, request: pb.ResolveDidRequest, context: Context) -> pb.ResolveDidResponse:
        """Resolve a DID."""
        did, wanted = convert.resolve_did(request)
        return convert.resolution_to_proto(await self._resolver.resolve(did, wanted))

    async def GetDidLog(self, request: pb.GetDidLogRequest, context: Context) -> pb.GetDidLogResponse:
        """Return a DID's history."""
        log = await self._resolver.log_of(convert.get_did_log(request))
        return pb.GetDidLogResponse(log=log.encode())

    async def RotateKey(self, request: pb.RotateKeyRequest, context: Context) -> pb.RotateKeyResponse:
        """Replace an agent's key."""
        wanted, request_id = lifecycle.rotate_key(request)
        # Nobody needs a credential here: whoever has both keys is the agent.
        mutation = mutation_of(request, request_id=request_id, principal=wanted.did, now=self._clock.now())
        identity = await self._rotation.rotate(wanted, mutation=mutation)
        return pb.RotateKeyResponse(identity=convert.identity_to_proto(identity))

    async def ReportCompromise(
        self, request: pb.ReportCompromiseRequest, context: Context
    ) -> pb.ReportCompromiseResponse:
        """End everything that leans on a key in other hands."""
        wanted, request_id = lifecycle.report_compromise(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        compromised = await self._compromise.report(wanted, caller=caller, mutation=mutation)
        return lifecycle.compromised_to_proto(compromised)

    async def Suspend(self, request: pb.SuspendRequest, context: Context) -> pb.SuspendResponse:
        """Suspend an identity."""
        wanted, request_id = lifecycle.suspend(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        identity = await self._suspensions.suspend(wanted, caller=caller, mutation=mutation)
        return pb.SuspendResponse(identity=convert.identity_to_proto(identity))

    async def Reinstate(self, request: pb.ReinstateRequest, context: Context) -> pb.ReinstateResponse:
        """End a suspension."""
        wanted, request_id = lifecycle.reinstate(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        identity = await self._suspensions.reinstate(wanted, caller=caller, mutation=mutation)
        return pb.ReinstateResponse(identity=convert.identity_to_proto(identity))

    async def Revoke(self, request: pb.RevokeRequest, context: Context) -> pb.RevokeResponse:
        """Revoke an identity."""
        wanted, request_id = lifecycle.revoke(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        identity = await self._revocation.revoke(wanted, caller=caller, mutation=mutation)
        return pb.RevokeResponse(identity=convert.identity_to_proto(identity))

    async def WatchAgents(
        self, request: pb.WatchAgentsRequest, context: Context
    ) -> AsyncIterator[pb.WatchAgentsResponse]:
        """Stream identities."""
        async with aclosing(self._watching.watch(convert.watch_agents(request))) as items:
            async for item in items:
                yield convert.watched_to_proto(item)

    async def WatchRevocations(
        self, request: rpb.WatchRevocationsRequest, context: Context
    ) -> AsyncIterator[rpb.WatchRevocationsResponse]:
        """Stream revocations."""
        wanted = convert_revocations.watch_revocations(request)
        async with aclosing(self._revocation_watching.watch(wanted, caller=current_caller())) as items:
            async for item in items:
                yield convert_revocations.watched_to_proto(item)


def identity_face(api: IdentityApi) -> Face:
    """Return the API as the server registers it."""
    return Face(identity_pb2_grpc.add_IdentityServiceServicer_to_server, api)
