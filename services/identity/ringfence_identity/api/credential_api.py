"""`ringfence.identity.v1.CredentialService`."""

import grpc.aio
from ringfence.identity.v1 import credential_pb2, identity_pb2_grpc, revocation_pb2
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence_kit.callers import current_caller
from ringfence_kit.service import Face
from ringfence_kit.wire import mutation_of

from ringfence_identity.certificate_succession import CertificateSuccession
from ringfence_identity.convert import certificates, issuer_keys
from ringfence_identity.convert import tokens as convert
from ringfence_identity.introspection import Introspection
from ringfence_identity.issuer_keys.published import KeySets
from ringfence_identity.issuer_keys.rotation import IssuerKeys
from ringfence_identity.signing_clock import SigningClock
from ringfence_identity.status.lists import StatusLists
from ringfence_identity.token_issue import TokenIssue

Context = grpc.aio.ServicerContext[object, object]


class CredentialApi(identity_pb2_grpc.CredentialServiceServicer):
    """Short-lived tokens and the keys that verify them; birth certificates and whether they hold."""

    def __init__(
        self,
        *,
        tokens: TokenIssue,
        key_sets: KeySets,
        introspection: Introspection,
        issuer_keys: IssuerKeys,
        birth_certificates: CertificateSuccession,
        status_lists: StatusLists,
        clock: SigningClock,
    ) -> None:
        self._tokens = tokens
        self._certificates = birth_certificates
        self._status_lists = status_lists
        self._key_sets = key_sets
        self._introspection = introspection
        self._issuer_keys = issuer_keys
        self._clock = clock

    async def IssueToken(self, request: pb.IssueTokenRequest, context: Context) -> pb.IssueTokenResponse:
        """Issue an access token."""
        issued = await self._tokens.issue(convert.issue_token(request), now=self._clock.now())
        return convert.issued_to_proto(issued)

    async def GetJwks(self, request: pb.GetJwksRequest, context: Context) -> pb.GetJwksResponse:
        """Return an environment's keys."""
        published = self._key_sets.of(convert.get_jwks(request))
        return convert.jwks_to_proto(published.jwks, published.issuer)

    async def IntrospectToken(
        self, request: credential_pb2.IntrospectTokenRequest, context: Context
    ) -> credential_pb2.IntrospectTokenResponse:
        """Say whether a token is good now."""
        asked = convert.introspect_token(request)
        active = self._introspection.introspect(asked, caller=current_caller(), now=self._clock.reading())
        return convert.introspected_to_proto(active)

    async def ListIssuerKeys(
        self, request: credential_pb2.ListIssuerKeysRequest, context: Context
    ) -> credential_pb2.ListIssuerKeysResponse:
        """List the keys of an environment."""
        environment = issuer_keys.list_issuer_keys(request)
        keys = self._issuer_keys.list(environment, caller=current_caller(), now=self._clock.reading())
        return issuer_keys.listed_to_proto(keys)

    async def RotateIssuerKey(
        self, request: credential_pb2.RotateIssuerKeyRequest, context: Context
    ) -> credential_pb2.RotateIssuerKeyResponse:
        """Publish the next key."""
        wanted, request_id = issuer_keys.rotate_issuer_key(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        key = await self._issuer_keys.rotate(wanted, caller=caller, mutation=mutation)
        return credential_pb2.RotateIssuerKeyResponse(key=issuer_keys.key_to_proto(key))

    async def RevokeIssuerKey(
        self, request: credential_pb2.RevokeIssuerKeyRequest, context: Context
    ) -> credential_pb2.RevokeIssuerKeyResponse:
        """Kill a key."""
        wanted, request_id = issuer_keys.revoke_issuer_key(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        revoked = await self._issuer_keys.revoke(wanted, caller=caller, mutation=mutation)
        return issuer_keys.revoked_to_proto(revoked)

    async def GetBirthCertificate(
        self, request: credential_pb2.GetBirthCertificateRequest, context: Context
    ) -> credential_pb2.GetBirthCertificateResponse:
        """Return a birth certificate."""
        shown = await self._certificates.show(certificates.show_certificate(request))
        return certificates.shown_to_proto(shown)

    async def IssueBirthCertificate(
        self, request: pb.IssueBirthCertificateRequest, context: Context
    ) -> pb.IssueBirthCertificateResponse:
        """Issue the next birth certificate."""
        wanted, request_id = certificates.issue_certificate(request)
        caller = current_caller()
        mutation = mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())
        reissued = await self._certificates.issue(wanted, caller=caller, mutation=mutation)
        return certificates.reissued_to_proto(reissued)

    async def GetStatusList(
        self, request: revocation_pb2.GetStatusListRequest, context: Context
    ) -> revocation_pb2.GetStatusListResponse:
        """Return a status list."""
        environment, number = certificates.get_status_list(request)
        return certificates.status_list_to_proto(self._status_lists.of(environment, number, now=self._clock.now()))


def credential_face(api: CredentialApi) -> Face:
    """Return the API as the server registers it."""
    return Face(identity_pb2_grpc.add_CredentialServiceServicer_to_server, api)
