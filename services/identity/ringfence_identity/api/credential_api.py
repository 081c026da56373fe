"""`ringfence.identity.v1.CredentialService`."""

import grpc.aio
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import identity_pb2_grpc
from ringfence_kit.service import Face

from ringfence_identity.api.pending import PendingCredential
from ringfence_identity.convert import tokens as convert
from ringfence_identity.key_sets import KeySets
from ringfence_identity.signing_clock import SigningClock
from ringfence_identity.token_issue import TokenIssue

Context = grpc.aio.ServicerContext[object, object]


class CredentialApi(PendingCredential, identity_pb2_grpc.CredentialServiceServicer):
    """Short-lived tokens, and the keys that verify them."""

    def __init__(self, *, tokens: TokenIssue, key_sets: KeySets, clock: SigningClock) -> None:
        self._tokens = tokens
        self._key_sets = key_sets
        self._clock = clock

    async def IssueToken(self, request: pb.IssueTokenRequest, context: Context) -> pb.IssueTokenResponse:
        """Issue an access token."""
        issued = await self._tokens.issue(convert.issue_token(request), now=self._clock.now())
        return convert.issued_to_proto(issued)

    async def GetJwks(self, request: pb.GetJwksRequest, context: Context) -> pb.GetJwksResponse:
        """Return an environment's keys."""
        published = self._key_sets.of(convert.get_jwks(request))
        return convert.jwks_to_proto(published.jwks, published.issuer)


def credential_face(api: CredentialApi) -> Face:
    """Return the API as the server registers it."""
    return Face(identity_pb2_grpc.add_CredentialServiceServicer_to_server, api)
