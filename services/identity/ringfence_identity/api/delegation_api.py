"""`ringfence.identity.v1.DelegationService`."""

import grpc.aio
from ringfence.identity.v1 import delegation_pb2 as pb
from ringfence.identity.v1 import delegation_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.wire import mutation_of, page_arguments

from ringfence_identity.convert import delegations as convert
from ringfence_identity.delegation.exchange import DelegationExchange
from ringfence_identity.delegation.listing import DelegationListing
from ringfence_identity.delegation.revocation import DelegationRevocation
from ringfence_identity.signing_clock import SigningClock

Context = grpc.aio.ServicerContext[object, object]


class DelegationApi(delegation_pb2_grpc.DelegationServiceServicer):
    """Authority handed from agent to agent, narrower with every link."""

    def __init__(
        self,
        *,
        exchange: DelegationExchange,
        revocation: DelegationRevocation,
        listing: DelegationListing,
        tokens: PageTokens,
        clock: SigningClock,
    ) -> None:
        self._exchange = exchange
        self._revocation = revocation
        self._listing = listing
        self._tokens = tokens
        self._clock = clock

    async def ExchangeDelegation(
        self, request: pb.ExchangeDelegationRequest, context: Context
    ) -> pb.ExchangeDelegationResponse:
        """Exchange a chain of grants for a token."""
        exchanged = await self._exchange.exchange(convert.exchange_delegation(request), now=self._clock.now())
        return convert.exchanged_to_proto(exchanged)

    async def RevokeDelegation(
        self, request: pb.RevokeDelegationRequest, context: Context
    ) -> pb.RevokeDelegationResponse:
        """Revoke a grant and all below it."""
        wanted, request_id = convert.revoke_delegation(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        revoked = await self._revocation.revoke(wanted, caller=caller, mutation=mutation)
        return convert.revoked_to_proto(revoked)

    async def ListDelegations(self, request: pb.ListDelegationsRequest, context: Context) -> pb.ListDelegationsResponse:
        """List grants, oldest first."""
        caller, now, arguments = current_caller(), self._clock.reading(), page_arguments(request)
        opened = None
        if request.page_token:
            opened = self._tokens.open(request.page_token, caller=caller.principal, arguments=arguments, now=now)
        page = await self._listing.page(convert.list_delegations(request, cursor=opened), caller=caller, now=now)
        response = pb.ListDelegationsResponse(delegations=map(convert.delegation_to_proto, page.delegations))
        if page.following is not None:
            cursor = convert.cursor_of(page.following)
            response.next_page_token = self._tokens.seal(cursor, caller=caller.principal, arguments=arguments, now=now)
        return response


def delegation_face(api: DelegationApi) -> Face:
    """Return the API as the server registers it."""
    return Face(delegation_pb2_grpc.add_DelegationServiceServicer_to_server, api)
