"""Access tokens: what the mesh shows at every call, short-lived and for one audience (RFC 9068).

- one string `aud`, one environment, the ring of the moment as a number, scopes in one space-delimited string, since
  gateways forward only scalars;
- at most 300 s, at most 60 s for rings 0 and 1;
- bound to the agent's key (`cnf.jkt`), to its birth certificate (`bc`) and to its revocation epoch (`rev`);
- the header says `EdDSA`: verifiers that know only the newer name are rarer than those that know only this one.

Signing is three base64url parts and needs no library; verifying needs one, and happens elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.proofs.canonical_json import JsonObject, base64url, canonical
from ringfence.proofs.public_keys import SigningKey, Thumbprint, public_key_of
from ringfence.proofs.timestamps import whole_second
from ringfence_kit.clock import MINUTE, SECOND, Instant, Millis

TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type (RFC 9068 section 2.1), not a password
LONGEST_LIFETIME = Millis(5 * MINUTE)
TRUSTED_LIFETIME = Millis(MINUTE)
"""The longest life of a token of ring 0 or 1: whoever may do more harm is asked more often."""

_MOST_TRUSTED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What one access token says."""

    token_id: str
    issuer: str
    audience: str
    did: str
    environment: str
    ring: int
    scopes: Sequence[str]
    holder: Thumbprint
    birth_certificate_hash: str
    revocation_epoch: int
    issued_at: Instant
    expires_at: Instant


def expiry(*, ring: int, longest: Millis, now: Instant) -> Instant:
    """Return when a token issued now expires: in whole seconds, never later than its ring allows."""
    limit = TRUSTED_LIFETIME if ring <= _MOST_TRUSTED else LONGEST_LIFETIME
    return Instant(whole_second(now) + min(limit, longest))


def sign_token(token: AccessToken, key: SigningKey) -> str:
    """Return the compact JWS of `token`."""
    header: JsonObject = {"alg": "EdDSA", "kid": public_key_of(key).thumbprint, "typ": TOKEN_TYPE}
    claims: JsonObject = {
        "iss": token.issuer,
        "sub": token.did,
        "client_id": token.did,  # RFC 9068 section 2.2 requires it; an agent is its own client
        "aud": token.audience,
        "iat": token.issued_at // SECOND,
        "nbf": token.issued_at // SECOND,
        "exp": token.expires_at // SECOND,
        "jti": token.token_id,
        "env": token.environment,
        "ring": token.ring,
        "scope": " ".join(token.scopes),
        "cnf": {"jkt": token.holder},
        "bc": token.birth_certificate_hash,
        "rev": token.revocation_epoch,
    }
    signed = f"{base64url(canonical(header))}.{base64url(canonical(claims))}"
    return f"{signed}.{base64url(key.sign(signed.encode()))}"
