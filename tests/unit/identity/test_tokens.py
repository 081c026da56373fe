"""Access tokens and key sets: what two common libraries make of them."""

from dataclasses import replace

import joserfc.jwk
import joserfc.jwt
import jwt
import pytest
from ringfence.proofs.access_token import AccessToken
from ringfence.proofs.public_keys import public_key_of
from ringfence_identity.jwks import PUBLISHED_BEFORE_USE, jwk_set, signing_key
from ringfence_identity.tokens import expiry, sign_token
from ringfence_kit.clock import MINUTE, SECOND, Instant, Millis
from ringfence_kit.sealed_keys import Ed25519Signer
from support.identity.keys import seeded_key

NOW = Instant(1_767_225_600_500)
KEY = seeded_key(21)
TOKEN = AccessToken(
    token_id="00000000-0000-4000-8000-000000000001",
    issuer="https://prod.id.ringfence.internal",
    audience="https://orders.example.com",
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


def test_the_token_says_what_gateways_can_read() -> None:
    text = sign_token(TOKEN, KEY)
    assert jwt.get_unverified_header(text) == {
        "alg": "EdDSA",
        "kid": public_key_of(KEY).thumbprint,
        "typ": "at+jwt",
    }
    keys = jwt.PyJWKSet.from_dict(jwk_set([KEY]))
    claims = jwt.decode(
        text,
        keys.keys[0],
        algorithms=["EdDSA"],
        audience=TOKEN.audience,
        issuer=TOKEN.issuer,
        options={"verify_exp": False, "require": ["exp", "nbf", "iat", "aud", "iss", "sub", "jti"]},
    )
    assert claims == {
        "iss": TOKEN.issuer,
        "sub": TOKEN.did,
        "client_id": TOKEN.did,
        "aud": TOKEN.audience,
        "iat": 1_767_225_600,
        "nbf": 1_767_225_600,
        "exp": 1_767_225_900,
        "jti": TOKEN.token_id,
        "env": "prod",
        "ring": 2,
        "scope": "invoices:read ledger:propose",
        "cnf": {"jkt": TOKEN.holder},
        "bc": "bc",
        "rev": 1,
    }


def test_joserfc_verifies_it_with_the_published_keys() -> None:
    keys = joserfc.jwk.KeySet.import_key_set(jwk_set([seeded_key(22), KEY]))  # type: ignore[arg-type]  # JSON of known shape
    token = joserfc.jwt.decode(sign_token(TOKEN, KEY), keys, algorithms=["EdDSA"])
    assert token.claims["sub"] == TOKEN.did


def test_a_token_of_another_environments_key_does_not_verify() -> None:
    keys = jwt.PyJWKSet.from_dict(jwk_set([KEY]))
    forged = sign_token(TOKEN, seeded_key(22))
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(forged, keys.keys[0], algorithms=["EdDSA"], audience=TOKEN.audience)


def test_no_key_set_is_published_without_kid_alg_and_use() -> None:
    assert jwk_set([KEY])["keys"] == [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": public_key_of(KEY).jwk["x"],
            "kid": public_key_of(KEY).thumbprint,
            "alg": "EdDSA",
            "use": "sig",
        }
    ]


@pytest.mark.parametrize(("ring", "seconds"), [(0, 60), (1, 60), (2, 300), (3, 300)])
def test_the_more_trusted_the_shorter_lived(ring: int, seconds: int) -> None:
    longest = Millis(10 * MINUTE)
    assert expiry(ring=ring, longest=longest, now=NOW) == 1_767_225_600_000 + seconds * SECOND


def test_configuration_may_shorten_a_life_and_not_lengthen_it() -> None:
    assert expiry(ring=3, longest=Millis(30 * SECOND), now=NOW) == 1_767_225_630_000


def test_a_new_key_is_published_before_it_signs() -> None:
    old = Ed25519Signer(b"\1" * 32, Instant(NOW - 100 * MINUTE))
    new = Ed25519Signer(b"\2" * 32, NOW)
    assert signing_key([old, new], now=NOW) is old
    assert signing_key([old, new], now=Instant(NOW + PUBLISHED_BEFORE_USE - 1)) is old
    assert signing_key([old, new], now=Instant(NOW + PUBLISHED_BEFORE_USE)) is new
    assert signing_key([new], now=NOW) is new


def test_the_ring_is_in_the_signed_part() -> None:
    assert sign_token(TOKEN, KEY) != sign_token(replace(TOKEN, ring=1), KEY)
