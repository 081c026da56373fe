"""How an agent proves who it is when it asks for a token: an assertion signed with its own key (RFC 7523).

Read in two steps, because the key that must verify depends on who speaks: `read_assertion` opens it without believing
a word, `check_assertion` verifies it under the key of the identity it names. The rules:

- `alg` is EdDSA or its new name Ed25519 (RFC 9864) and nothing else; `typ`, when given, is one of a client assertion's;
- keys come from the identity alone: a header that brings its own (`jwk`, `jku`, `x5u`, `x5c`) is refused;
- both parts are strict JSON: a member named twice, which parsers read differently, is refused;
- `iss` = `sub` = the DID, exactly one `aud`: the environment's issuer; `exp` at most 60 s after `iat`, and a `jti`.
"""

from dataclasses import dataclass

from joserfc.util import urlsafe_b64decode
from ringfence.proofs.canonical_json import JsonObject, parse_object
from ringfence.proofs.public_keys import PublicKey
from ringfence_kit.clock import MINUTE, SECOND, Instant, Millis

from ringfence_identity.errors import AssertionInvalid

MAX_ASSERTION_BYTES = 4_096
MAX_LIFETIME = Millis(MINUTE)
SKEW = Millis(5 * SECOND)
"""How far an agent's clock may be ahead of ours, or its assertion expired."""

_ALGORITHMS = ("EdDSA", "Ed25519")
_TYPES = (None, "JWT", "jwt", "client-authentication+jwt")
_HEADERS = frozenset({"alg", "typ", "kid"})
_JTI_CHARACTERS = 128


@dataclass(frozen=True, slots=True)
class ReadAssertion:
    """An assertion that was opened and not yet believed."""

    signing_input: bytes
    signature: bytes
    header: JsonObject
    claims: JsonObject
    subject: str
    """The DID it claims to be from."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a verified assertion says."""

    jti: str
    expires_at: Instant


def read_assertion(compact: str) -> ReadAssertion:
    """Open a compact JWS and return what it claims, or refuse its form."""
    if len(compact) > MAX_ASSERTION_BYTES:
        raise AssertionInvalid(problem=f"it is longer than {MAX_ASSERTION_BYTES} characters")
    try:
        protected, payload, signature = compact.encode().split(b".")
        header = parse_object(urlsafe_b64decode(protected))
        claims = parse_object(urlsafe_b64decode(payload))
        signed = urlsafe_b64decode(signature)
    except (ValueError, RecursionError) as error:
        raise AssertionInvalid(problem="it is not a compact JWS over a JSON object") from error
    _check_header(header)
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(subject, str) or issuer != subject:
        raise AssertionInvalid(problem="iss and sub must both be the agent's DID")
    return ReadAssertion(protected + b"." + payload, signed, header, claims, subject)


def check_assertion(read: ReadAssertion, *, key: PublicKey, issuer: str, now: Instant) -> Assertion:
    """Return the assertion once it verifies under `key`, is addressed to `issuer`, and is fresh."""
    _check_kid(read, key)
    if not key.verifies(read.signature, read.signing_input):
        raise AssertionInvalid(problem="its signature does not verify under the agent's key")
    if read.claims.get("aud") not in (issuer, [issuer]):
        raise AssertionInvalid(problem=f"aud must be {issuer} alone")
    expires_at = _check_times(read.claims, now)
    return Assertion(_jti(read.claims), expires_at)


def _check_header(header: JsonObject) -> None:
    if header.keys() - _HEADERS:
        raise AssertionInvalid(problem="its header may hold alg, typ and kid, nothing else")
    if header.get("alg") not in _ALGORITHMS:
        raise AssertionInvalid(problem="alg must be EdDSA")
    if header.get("typ") not in _TYPES:
        raise AssertionInvalid(problem="typ must be client-authentication+jwt or JWT")


def _check_kid(read: ReadAssertion, key: PublicKey) -> None:
    kid = read.header.get("kid")
    if kid not in (None, key.thumbprint, f"{read.subject}#{key.thumbprint}"):
        raise AssertionInvalid(problem="kid is not the agent's key")


def _check_times(claims: JsonObject, now: Instant) -> Instant:
    issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp")
    if expires_at <= now - SKEW:
        raise AssertionInvalid(problem="it has expired")
    if issued_at > now + SKEW or ("nbf" in claims and _time(claims, "nbf") > now + SKEW):
        raise AssertionInvalid(problem="it is not valid yet")
    if not 0 < expires_at - issued_at <= MAX_LIFETIME:
        raise AssertionInvalid(problem="exp must be at most 60 s after iat")
    return expires_at


def _time(claims: JsonObject, claim: str) -> Instant:
    value = claims.get(claim)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**40:
        raise AssertionInvalid(problem=f"{claim} must be a whole number of seconds since 1970")
    return Instant(value * SECOND)


def _jti(claims: JsonObject) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 1 <= len(jti) <= _JTI_CHARACTERS or not (jti.isascii() and jti.isprintable()):
        raise AssertionInvalid(problem=f"jti must be 1 to {_JTI_CHARACTERS} printable ASCII characters")
    return jti
