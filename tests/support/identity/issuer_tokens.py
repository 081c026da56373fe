"""Access tokens as an issuer makes them, with every part open to spoiling, and both kinds of key."""

from collections.abc import Mapping
from typing import Any

from ringfence.proofs.access_token import AccessToken
from ringfence.proofs.jwk_set import JwkSet, key_of_jwk
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.clock import EPOCH, SECOND, Instant
from ringfence_kit.sealed_keys import JwsSigner, P256Signer
from support.identity.assertions import compact
from support.identity.keys import seeded_key

NOW = Instant(1_767_225_600_500)
ISSUER = "https://prod.id.ringfence.internal"
AUDIENCE = "https://orders.example.com"

ED25519 = seeded_key(21)
P256 = P256Signer((22).to_bytes(32), EPOCH)

TOKEN = AccessToken(
    token_id="00000000-0000-4000-8000-000000000001",
    issuer=ISSUER,
    audience=AUDIENCE,
    did="did:webvh:QmX:prod.id.ringfence.internal:agents:QmX",
    environment="prod",
    ring=2,
    scopes=("invoices:read", "ledger:propose"),
    holder=public_key_of(seeded_key(1)).thumbprint,
    birth_certificate_hash="bc",
    revocation_epoch=1,
    issued_at=Instant(1_767_225_600_000),
    expires_at=Instant(1_767_225_900_000),
)


def keys_of(*signers: JwsSigner) -> JwkSet:
    """Return the public halves by `kid`."""
    return {signer.key_id: key_of_jwk(signer.jwk) for signer in signers}


def sound_claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good token at NOW; a change to None leaves the claim out."""
    usual: dict[str, Any] = {
        "iss": ISSUER,
        "sub": TOKEN.did,
        "client_id": TOKEN.did,
        "aud": AUDIENCE,
        "iat": TOKEN.issued_at // SECOND,
        "nbf": TOKEN.issued_at // SECOND,
        "exp": TOKEN.expires_at // SECOND,
        "jti": TOKEN.token_id,
        "env": "prod",
        "ring": 2,
        "scope": "invoices:read ledger:propose",
        "cnf": {"jkt": TOKEN.holder},
        "bc": "bc",
        "rev": 1,
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def signed(
    claims: Mapping[str, Any] | None = None, key: JwsSigner = ED25519, *, header: Mapping[str, Any] | None = None
) -> str:
    """Return a token with any claims, and the usual header with `header` over it; a member that is None is left out."""
    usual = {"alg": key.algorithm, "kid": key.key_id, "typ": "at+jwt"}
    said = {name: value for name, value in {**usual, **(header or {})}.items() if value is not None}
    return compact(said, sound_claims() if claims is None else claims, key)
