"""The keys that verify an environment's tokens, as a JWK Set (RFC 7517), and which of them signs.

A new key is published before it signs, for longer than any cache keeps the set; an old one stays until the last token
it signed is void. Gateways take a whole set down over one key without `kid`, so every key has `kid`, `alg` and `use`.
"""

from collections.abc import Sequence

from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.clock import MINUTE, Instant, Millis
from ringfence_kit.sealed_keys import Signer

PUBLISHED_BEFORE_USE = Millis(40 * MINUTE)
"""Twice the longest JWKS cache in the field (20 min)."""


def jwk_set(keys: Sequence[Signer]) -> JsonObject:
    """Return the public half of `keys` as a JWK Set."""
    listed: list[Json] = []
    for key in keys:
        public = public_key_of(key)
        listed.append({**public.jwk, "kid": public.thumbprint, "alg": "EdDSA", "use": "sig"})
    return {"keys": listed}


def signing_key(keys: Sequence[Signer], *, now: Instant) -> Signer:
    """Return the newest key that has been published long enough; the first key of all when none has.

    `keys` come oldest first and are never empty.
    """
    published = [key for key in keys if key.created_at + PUBLISHED_BEFORE_USE <= now]
    return published[-1] if published else keys[0]
