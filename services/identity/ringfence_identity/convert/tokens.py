"""Token requests in, tokens and key sets out."""

import json
import re

from ringfence.identity.v1 import credential_pb2
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.access_token import MAX_TOKEN_CHARACTERS
from ringfence.proofs.canonical_json import JsonObject
from ringfence.proofs.scopes import MAX_SCOPE_BYTES, SCOPE_SHAPE, is_scope
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_identity.client_assertion import MAX_ASSERTION_BYTES
from ringfence_identity.convert.births import MAX_PERMISSIONS
from ringfence_identity.introspection import ActiveToken, IntrospectToken
from ringfence_identity.token_issue import IssuedToken, IssueToken

_AUDIENCE = re.compile(r"[\x21-\x7e]+")


def issue_token(request: pb.IssueTokenRequest) -> IssueToken:
    """Return what an agent asks for. The assertion itself is judged where its reason can be given."""
    found = Violations()
    scopes = list(found.items(request.scopes, "scopes", max_items=MAX_PERMISSIONS))
    for path, scope in scopes:
        if not is_scope(scope):
            found.add(path, f"must have the form {SCOPE_SHAPE}, at most {MAX_SCOPE_BYTES} bytes")
    found.distinct([scope for _, scope in scopes], "scopes")
    wanted = IssueToken(
        assertion=found.text(request.assertion, "assertion", max_bytes=MAX_ASSERTION_BYTES),
        audience=_audience(request.audience, found),
        scopes=tuple(scope for _, scope in scopes),
    )
    return found.ok(wanted)


def issued_to_proto(issued: IssuedToken) -> pb.IssueTokenResponse:
    """Return the response with the token."""
    return pb.IssueTokenResponse(access_token=issued.access_token, expire_time=to_timestamp(issued.expires_at))


def introspect_token(request: credential_pb2.IntrospectTokenRequest) -> IntrospectToken:
    """Return which token is asked about. Whatever is wrong with the token itself is no answer, not an error."""
    found = Violations()
    asked = IntrospectToken(
        token=found.text(request.token, "token", max_bytes=2 * MAX_TOKEN_CHARACTERS),
        audience=_audience(request.audience, found),
    )
    return found.ok(asked)


def introspected_to_proto(active: ActiveToken | None) -> credential_pb2.IntrospectTokenResponse:
    """Return the response: what a good token is good for, or that it is not (RFC 7662 section 2.2)."""
    if active is None:
        return credential_pb2.IntrospectTokenResponse(active=False)
    token = active.token
    return credential_pb2.IntrospectTokenResponse(
        active=True,
        did=token.did,
        environment=token.environment,
        ring=active.ring,
        scopes=active.scopes,
        expire_time=to_timestamp(token.expires_at),
        token_id=token.token_id,
        key_thumbprint=token.holder,
        birth_certificate_hash=token.birth_certificate_hash,
        revocation_epoch=token.revocation_epoch,
        delegation_path=() if token.delegation is None else token.delegation.path,
    )


def get_jwks(request: pb.GetJwksRequest) -> str:
    """Return the environment whose keys are asked for."""
    found = Violations()
    environment = found.text(request.environment, "environment", max_bytes=63)
    return found.ok(environment)


def jwks_to_proto(jwks: JsonObject, issuer: str) -> pb.GetJwksResponse:
    """Return the response with a key set."""
    return pb.GetJwksResponse(jwks=json.dumps(jwks).encode(), issuer=issuer)


def _audience(text: str, found: Violations) -> str:
    return found.text(text, "audience", max_bytes=256, pattern=_AUDIENCE, shape="printable ASCII without spaces")
