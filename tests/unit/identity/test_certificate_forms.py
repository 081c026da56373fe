"""The vc+jwt form of a certificate as a library of others reads it."""

import json

import pytest
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import OKPKey
from ringfence.proofs.public_keys import public_key_of
from support.identity.certified import REGISTRAR, REGISTRAR_KEY, as_jwt, credential
from support.identity.keys import seeded_key


def opened(token: str, key: OKPKey) -> jws.CompactSignature:
    return jws.deserialize_compact(token, key, algorithms=["EdDSA"])


def okp(number: int) -> OKPKey:
    return OKPKey.import_key(dict(public_key_of(seeded_key(number)).jwk))


def test_an_off_the_shelf_library_verifies_the_jws() -> None:
    signed = credential()
    found = opened(as_jwt(signed), okp(5))
    assert found.headers() == {
        "alg": "EdDSA",
        "typ": "vc+jwt",
        "cty": "vc",
        "kid": f"{REGISTRAR}#{public_key_of(REGISTRAR_KEY).thumbprint}",
    }
    assert json.loads(found.payload) == {name: value for name, value in signed.items() if name != "proof"}


def test_the_payload_is_the_credential_itself_and_no_claims_set_around_it() -> None:
    payload = json.loads(opened(as_jwt(credential()), okp(5)).payload)
    assert not payload.keys() & {"vc", "vp", "proof", "iss", "exp", "nbf", "sub"}
    assert payload["issuer"] == str(REGISTRAR)


def test_the_library_refuses_it_under_any_other_key() -> None:
    with pytest.raises(BadSignatureError):
        opened(as_jwt(credential()), okp(6))


def test_the_same_certificate_gives_the_same_jws_each_time() -> None:
    """It is signed when asked for, and nobody can tell: Ed25519 takes no chance."""
    assert as_jwt(credential()) == as_jwt(credential())
