"""Access tokens and key sets: what two common libraries make of them."""

from dataclasses import replace
from typing import Any

import joserfc.jwk
import joserfc.jwt
import jwt
import pytest
from ringfence.proofs.access_token import TokenDelegation
from ringfence.proofs.jwk_set import read_jwk_set
from ringfence_identity.issuer_keys.published import jwk_set
from ringfence_identity.issuer_keys.schedule import IssuerKey
from ringfence_identity.tokens import expiry, sign_token
from ringfence_kit.clock import EPOCH, MINUTE, SECOND, Instant, Millis
from ringfence_kit.sealed_keys import JwsSigner
from support.identity.issuer_tokens import AUDIENCE, ED25519, ISSUER, NOW, P256, TOKEN, keys_of
from support.identity.keys import seeded_key

CLAIMS = {
    "iss": ISSUER,
    "sub": TOKEN.did,
    "client_id": TOKEN.did,
    "aud": AUDIENCE,
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

BOTH = pytest.mark.parametrize("key", [ED25519, P256], ids=["EdDSA", "ES256"])


def published(*signers: JwsSigner) -> dict[str, Any]:
    """Return the key set that identity serves for these signers."""
    return jwk_set(
        IssuerKey(
            environment="prod",
            key_id=signer.key_id,
            algorithm=signer.algorithm,
            jwk=signer.jwk,
            created_at=EPOCH,
            activates_at=EPOCH,
        )
        for signer in signers
    )


def decoded(text: str, key: JwsSigner, keys: dict[str, Any]) -> dict[str, Any]:
    (found,) = [one for one in jwt.PyJWKSet.from_dict(keys).keys if one.key_id == key.key_id]
    claims: dict[str, Any] = jwt.decode(
        text,
        found,
        algorithms=[key.algorithm],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "require": ["exp", "nbf", "iat", "aud", "iss", "sub", "jti"],
        },
    )
    return claims


@BOTH
def test_the_token_says_what_gateways_can_read(key: JwsSigner) -> None:
    text = sign_token(TOKEN, key)
    assert jwt.get_unverified_header(text) == {"alg": key.algorithm, "kid": key.key_id, "typ": "at+jwt"}
    assert decoded(text, key, published(ED25519, P256)) == CLAIMS


@BOTH
def test_joserfc_verifies_it_with_the_published_keys(key: JwsSigner) -> None:
    keys = joserfc.jwk.KeySet.import_key_set(published(seeded_key(22), ED25519, P256))  # type: ignore[arg-type]  # JSON of known shape
    token = joserfc.jwt.decode(sign_token(TOKEN, key), keys, algorithms=["EdDSA", "ES256"])
    assert token.claims == CLAIMS


@BOTH
def test_a_token_of_another_environments_key_does_not_verify(key: JwsSigner) -> None:
    forged = sign_token(TOKEN, seeded_key(22))
    with pytest.raises((jwt.InvalidSignatureError, jwt.InvalidAlgorithmError)):
        decoded(forged, key, published(ED25519, P256))


def test_a_delegated_token_says_who_acts_for_whom() -> None:
    delegation = TokenDelegation(
        chain="c1",
        path=("did:origin", "did:middle", "did:holder"),
        grants=("g1", "g2"),
        depth=2,
        tools={"warehouse.export": "sha256-x"},
        budget={"calls": 5},
    )
    claims = decoded(sign_token(replace(TOKEN, delegation=delegation), ED25519), ED25519, published(ED25519))
    assert claims["delegation"] == {
        "chain": "c1",
        "path": ["did:origin", "did:middle", "did:holder"],
        "grants": ["g1", "g2"],
        "depth": 2,
        "tools": {"warehouse.export": "sha256-x"},
        "budget": {"calls": 5},
    }
    assert "act" not in claims  # docs/adr/0015


def test_no_key_is_published_without_kid_alg_and_use() -> None:
    assert published(ED25519, P256)["keys"] == [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": ED25519.jwk["x"],
            "kid": ED25519.key_id,
            "alg": "EdDSA",
            "use": "sig",
        },
        {
            "kty": "EC",
            "crv": "P-256",
            "x": P256.jwk["x"],
            "y": P256.jwk["y"],
            "kid": P256.key_id,
            "alg": "ES256",
            "use": "sig",
        },
    ]


def test_our_own_checker_reads_the_key_set_that_is_published() -> None:
    assert read_jwk_set(published(ED25519, P256)) == keys_of(ED25519, P256)


@BOTH
def test_the_name_of_a_published_key_is_its_thumbprint_for_others_too(key: JwsSigner) -> None:
    (member,) = published(key)["keys"]
    required = {name: member[name] for name in ("kty", "crv", "x", "y") if name in member}
    kind = joserfc.jwk.ECKey if key.algorithm == "ES256" else joserfc.jwk.OKPKey
    assert kind.import_key(required).thumbprint() == member["kid"]


@pytest.mark.parametrize(("ring", "seconds"), [(0, 60), (1, 60), (2, 300), (3, 300)])
def test_the_more_trusted_the_shorter_lived(ring: int, seconds: int) -> None:
    longest = Millis(10 * MINUTE)
    assert expiry(ring=ring, longest=longest, now=NOW) == 1_767_225_600_000 + seconds * SECOND


def test_configuration_may_shorten_a_life_and_not_lengthen_it() -> None:
    assert expiry(ring=3, longest=Millis(30 * SECOND), now=NOW) == 1_767_225_630_000


@BOTH
def test_the_ring_is_in_the_signed_part(key: JwsSigner) -> None:
    signing_inputs = {sign_token(replace(TOKEN, ring=ring), key).rsplit(".", 1)[0] for ring in range(4)}
    assert len(signing_inputs) == 4


def test_two_signatures_of_one_token_say_the_same() -> None:
    """ECDSA draws a nonce for each signature: tokens are told apart by jti, never by their bytes."""
    first, second = sign_token(TOKEN, P256), sign_token(TOKEN, P256)
    assert first.rsplit(".", 1)[0] == second.rsplit(".", 1)[0]
    keys = published(P256)
    assert decoded(first, P256, keys) == decoded(second, P256, keys)
    assert Instant(decoded(first, P256, keys)["exp"] * SECOND) == TOKEN.expires_at
