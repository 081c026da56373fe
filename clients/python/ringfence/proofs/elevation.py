"""An elevation grant: leave to be judged at a better ring, for one agent, one action and one resource, and for a time.

A compact JWS, `typ` elevation+jwt, by the key of an environment's registrar, which no gateway takes for a token's.
Checked against the registrar's DID and key, which its DID document shows. The rules:

- header and claims are exactly those of `claims_of`, in their types and bounds; nothing is ignored, nothing guessed;
- it names one action and one resource: a wildcard is no name;
- it lives at most 24 h, and is good until the last instant before it expires;
- it is an input to a policy and never an answer: the approvals it demands are still to be given, and every deny holds.

Whether it was revoked, and whether its agent is in good standing, is not in it: ask the stream of revocations.
"""

import re
from dataclasses import dataclass

from ringfence.instants import DAY, SECOND, Instant, Millis
from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.compact_jws import CompactJws, JwsError, open_compact_jws, sign_compact_jws
from ringfence.proofs.public_keys import PublicKey, SigningKey, public_key_of

ELEVATION_TYPE = "elevation+jwt"
MAX_ELEVATION_CHARACTERS = 4_096
LONGEST_ELEVATION = DAY
SKEW = Millis(5 * SECOND)
"""How far the registrar's clock may be ahead of the checker's."""

MAX_ACTION_BYTES = 128
MAX_RESOURCE_BYTES = 512
RINGS = range(3)
APPROVALS = range(1, 11)

_ALGORITHMS = ("EdDSA", "Ed25519")
_HEADER = frozenset({"alg", "kid", "typ"})
_CLAIMS = frozenset({"iss", "sub", "jti", "iat", "exp", "env", "action", "resource", "ring", "approvals"})
_NAME = re.compile(r"elevations/[0-9a-z-]{1,64}")
_LATEST_SECOND = 2**40


class ElevationRefused(ValueError):  # noqa: N818 - named for what happened, like every refusal
    """A grant that is not good, with the problem in words."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ElevationGrant:
    """What one grant says."""

    name: str
    """`elevations/{elevation}`, as its revocation will name it."""
    issuer: str
    """The DID of the registrar that signed it."""
    origin: str
    """The DID of the agent a chain must begin with."""
    environment: str
    action: str
    resource: str
    ring: int
    approvals: int
    """How many people must approve each use."""
    issued_at: Instant
    expires_at: Instant

    def covers(self, *, origin: str, environment: str, action: str, resource: str) -> bool:
        """Say whether it is for exactly this: letter by letter, with no wildcard and no prefix."""
        asked = (origin, environment, action, resource)
        return asked == (self.origin, self.environment, self.action, self.resource)


def names_one_thing(text: str) -> bool:
    """Say whether `text` names one action or resource: printable, and without a wildcard."""
    return bool(text) and text.isprintable() and "*" not in text


def claims_of(grant: ElevationGrant) -> JsonObject:
    """Return the claims that say `grant`."""
    return {
        "iss": grant.issuer,
        "sub": grant.origin,
        "jti": grant.name,
        "iat": grant.issued_at // SECOND,
        "exp": grant.expires_at // SECOND,
        "env": grant.environment,
        "action": grant.action,
        "resource": grant.resource,
        "ring": grant.ring,
        "approvals": grant.approvals,
    }


def sign_elevation(grant: ElevationGrant, key: SigningKey) -> str:
    """Return the compact JWS of `grant` by the registrar's `key`."""
    header: JsonObject = {"alg": "EdDSA", "kid": public_key_of(key).thumbprint, "typ": ELEVATION_TYPE}
    return sign_compact_jws(header, claims_of(grant), key)


def check_elevation(text: str, *, issuer: str, key: PublicKey, now: Instant) -> ElevationGrant:
    """Return what `text` says once it verifies as the registrar's (`issuer`, `key`) and is good at `now`."""
    try:
        jws = open_compact_jws(text, longest=MAX_ELEVATION_CHARACTERS)
    except JwsError as error:
        raise ElevationRefused(error.problem) from error
    _check_header(jws, key)
    if not key.verifies(jws.signature, jws.signing_input):
        raise ElevationRefused("its signature does not verify under the registrar's key")
    grant = _read(jws.payload)
    if grant.issuer != issuer:
        raise ElevationRefused("it is of another registrar")
    if grant.issued_at > now + SKEW:
        raise ElevationRefused("it is not valid yet")
    if now >= grant.expires_at:
        raise ElevationRefused("it has expired")
    return grant


def _check_header(jws: CompactJws, key: PublicKey) -> None:
    header = jws.header
    if header.keys() != _HEADER or header["typ"] != ELEVATION_TYPE or header["alg"] not in _ALGORITHMS:
        raise ElevationRefused(f"its header must be alg EdDSA, typ {ELEVATION_TYPE} and kid, nothing else")
    if header["kid"] != key.thumbprint:
        raise ElevationRefused("kid is not the registrar's key")


def _read(claims: JsonObject) -> ElevationGrant:
    if claims.keys() != _CLAIMS:
        raise ElevationRefused("claims are missing, or there are some it does not have")
    grant = ElevationGrant(
        name=_text(claims, "jti", 128),
        issuer=_text(claims, "iss", 1_024),
        origin=_text(claims, "sub", 1_024),
        environment=_text(claims, "env", 63),
        action=_text(claims, "action", MAX_ACTION_BYTES),
        resource=_text(claims, "resource", MAX_RESOURCE_BYTES),
        ring=_whole(claims, "ring", RINGS),
        approvals=_whole(claims, "approvals", APPROVALS),
        issued_at=Instant(_whole(claims, "iat", range(_LATEST_SECOND)) * SECOND),
        expires_at=Instant(_whole(claims, "exp", range(_LATEST_SECOND)) * SECOND),
    )
    if _NAME.fullmatch(grant.name) is None:
        raise ElevationRefused("jti is not the name of an elevation")
    if not 0 < grant.expires_at - grant.issued_at <= LONGEST_ELEVATION:
        raise ElevationRefused("it lives for nothing or for more than 24 h")
    return grant


def _text(claims: JsonObject, claim: str, most_bytes: int) -> str:
    value: Json = claims[claim]
    if not isinstance(value, str) or not names_one_thing(value) or len(value.encode()) > most_bytes:
        raise ElevationRefused(f"{claim} must be a text of at most {most_bytes} bytes without a wildcard")
    return value


def _whole(claims: JsonObject, claim: str, allowed: range) -> int:
    value: Json = claims[claim]
    if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
        raise ElevationRefused(f"{claim} must be a whole number from {allowed.start} to {allowed.stop - 1}")
    return value
