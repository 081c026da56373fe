"""Token requests in, tokens and key sets out."""

import json
import re

from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.canonical_json import JsonObject
from ringfence.proofs.scopes import MAX_SCOPE_BYTES, SCOPE_SHAPE, is_scope
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_identity.client_assertion import MAX_ASSERTION_BYTES
from ringfence_identity.convert.births import MAX_PERMISSIONS
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
        audience=found.text(
            request.audience, "audience", max_bytes=256, pattern=_AUDIENCE, shape="printable ASCII without spaces"
        ),
        scopes=tuple(scope for _, scope in scopes),
    )
    return found.ok(wanted)


def issued_to_proto(issued: IssuedToken) -> pb.IssueTokenResponse:
    """Return the response with the token."""
    return pb.IssueTokenResponse(access_token=issued.access_token, expire_time=to_timestamp(issued.expires_at))


def get_jwks(request: pb.GetJwksRequest) -> str:
    """Return the environment whose keys are asked for."""
    found = Violations()
    environment = found.text(request.environment, "environment", max_bytes=63)
    return found.ok(environment)


def jwks_to_proto(jwks: JsonObject, issuer: str) -> pb.GetJwksResponse:
    """Return the response with a key set."""
    return pb.GetJwksResponse(jwks=json.dumps(jwks).encode(), issuer=issuer)
