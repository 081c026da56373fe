"""The methods of `ringfence.identity.v1.IdentityService` about sponsors."""

from typing import Any, TypeAlias

import grpc.aio
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence_kit.callers import current_caller
from ringfence_kit.wire import mutation_of

from ringfence_identity.convert import sponsors as convert
from ringfence_identity.signing_clock import SigningClock
from ringfence_identity.sponsors.offboarding import Offboarding
from ringfence_identity.sponsors.reading import SponsorReading
from ringfence_identity.sponsors.registration import Sponsors

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class SponsorMethods:
    """People who answer for agents: how they come, are found, and leave."""

    def __init__(
        self, *, sponsors: Sponsors, reading: SponsorReading, offboarding: Offboarding, clock: SigningClock
    ) -> None:
        self._sponsors = sponsors
        self._sponsor_reading = reading
        self._offboarding = offboarding
        self._sponsor_clock = clock

    async def RegisterSponsor(self, request: pb.RegisterSponsorRequest, context: Context) -> pb.RegisterSponsorResponse:
        """Register a sponsor."""
        wanted, request_id = convert.register_sponsor(request)
        principal, now = current_caller().principal, self._sponsor_clock.now()
        mutation = mutation_of(request, request_id=request_id, principal=principal, now=now)
        sponsor = await self._sponsors.register(wanted, mutation=mutation)
        return pb.RegisterSponsorResponse(sponsor=convert.sponsor_to_proto(sponsor))

    async def GetSponsor(self, request: pb.GetSponsorRequest, context: Context) -> pb.GetSponsorResponse:
        """Return a sponsor."""
        sponsor = self._sponsor_reading.get(convert.get_sponsor(request))
        return pb.GetSponsorResponse(sponsor=convert.sponsor_to_proto(sponsor))

    async def ListSponsors(self, request: pb.ListSponsorsRequest, context: Context) -> pb.ListSponsorsResponse:
        """List sponsors."""
        query, now = convert.list_sponsors(request), self._sponsor_clock.reading()
        page = self._sponsor_reading.list_sponsors(query, caller=current_caller(), now=now)
        return convert.sponsor_page_to_proto(page)

    async def OffboardSponsor(self, request: pb.OffboardSponsorRequest, context: Context) -> pb.OffboardSponsorResponse:
        """Off-board a sponsor."""
        wanted, request_id = convert.offboard_sponsor(request)
        principal, now = current_caller().principal, self._sponsor_clock.now()
        mutation = mutation_of(request, request_id=request_id, principal=principal, now=now)
        return convert.offboarded_to_proto(await self._offboarding.offboard(wanted, mutation=mutation))
