"""Writing access tokens: what the mesh shows at every call, short-lived and for one audience (RFC 9068).

What a token says, and what makes one good, is `ringfence.proofs.access_token`. Here stands how it is written:

- gateways forward only scalars, so there is one string `aud`, the ring as a number, and the scopes in one string;
- the header says `EdDSA` and not `Ed25519`: verifiers that know only the newer name are rarer than those that know only
  this one. Audiences that refuse both get `ES256`, by another key.

Signing is three base64url parts and needs no library; verifying needs one, and happens elsewhere.
"""

from ringfence.proofs.access_token import TOKEN_TYPE, AccessToken, TokenDelegation, longest_lifetime
from ringfence.proofs.canonical_json import JsonObject, base64url, canonical
from ringfence.proofs.timestamps import whole_second
from ringfence_kit.clock import SECOND, Instant, Millis
from ringfence_kit.sealed_keys import JwsSigner

_AROUND_CLAIMS = 256
"""What header (alg, a kid of 43 characters, typ), signature (64 bytes) and dots take, with room to spare."""


def expiry(*, ring: int, longest: Millis, now: Instant) -> Instant:
    """Return when a token issued now expires: in whole seconds, never later than its ring allows."""
    return Instant(whole_second(now) + min(longest_lifetime(ring), longest))


def sign_token(token: AccessToken, key: JwsSigner) -> str:
    """Return the compact JWS of `token`."""
    header: JsonObject = {"alg": key.algorithm, "kid": key.key_id, "typ": TOKEN_TYPE}
    signed = f"{base64url(canonical(header))}.{base64url(canonical(_claims(token)))}"
    return f"{signed}.{base64url(key.sign(signed.encode()))}"


def token_size(token: AccessToken) -> int:
    """Return how many characters `token` will have at most, whichever key signs it."""
    return _AROUND_CLAIMS + len(base64url(canonical(_claims(token))))


def _claims(token: AccessToken) -> JsonObject:
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
    if token.delegation is not None:
        claims["delegation"] = _delegation(token.delegation)
    return claims


def _delegation(delegation: TokenDelegation) -> JsonObject:
    return {
        "chain": delegation.chain,
        "path": list(delegation.path),
        "grants": list(delegation.grants),
        "depth": delegation.depth,
        "tools": dict(delegation.tools),
        "budget": dict(delegation.budget),
    }
