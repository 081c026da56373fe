"""Pinning keys for cards: a set is read whole or refused with every problem; weak keys never come in."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.algorithms import RSAAlgorithm
from ringfence.proofs.card_keys import MAX_PINNED_KEYS, CardAlgorithm, PinnedKeysError, read_pinned_keys
from ringfence.proofs.rsa_keys import RsaPublicKey, import_rsa_key
from support.registry.signed_cards import b64, signer

ED25519, P256, RSA = signer("EdDSA").jwk, signer("ES256").jwk, signer("RS256").jwk


def problems(*members: Any) -> tuple[str, ...]:
    with pytest.raises(PinnedKeysError) as refused:
        read_pinned_keys({"keys": [*members]})
    return refused.value.problems


def changed(jwk: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: held for name, held in {**jwk, **changes}.items() if held is not None}


def test_each_kind_of_key_is_read_under_its_own_kid_with_the_algorithms_of_its_kind() -> None:
    keys = read_pinned_keys({"keys": [ED25519, P256, RSA]})
    assert {key_id: key.algorithms for key_id, key in keys.items()} == {
        "key-EdDSA": {CardAlgorithm.ED_DSA},
        "key-ES256": {CardAlgorithm.ES256},
        "key-RS256": {CardAlgorithm.RS256, CardAlgorithm.PS256},
    }


@pytest.mark.parametrize(
    ("jwk", "alg"), [(ED25519, "EdDSA"), (ED25519, "Ed25519"), (P256, "ES256"), (RSA, "RS256"), (RSA, "PS256")]
)
def test_a_key_with_an_alg_is_for_that_alone(jwk: dict[str, Any], alg: str) -> None:
    (key,) = read_pinned_keys({"keys": [changed(jwk, alg=alg, use="sig", key_ops=["verify"])]}).values()
    assert len(key.algorithms) == 1


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": []}, {"keys": "x"}, ED25519])
def test_what_is_no_set_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(PinnedKeysError, match="not a JWK Set"):
        read_pinned_keys(document)


def test_every_problem_is_told_at_once_with_its_place() -> None:
    listed = problems(None, ED25519, changed(P256, kid=None), changed(RSA, use="enc"), changed(P256, kid="key-EdDSA"))
    assert [problem.split(":")[0] for problem in listed] == ["keys[0]", "keys[2]", "keys[3]", "keys[4]"]


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        (7, "not a JSON object"),
        (changed(ED25519, d="AA"), "private"),
        ({"kty": "oct", "k": "c2VjcmV0", "kid": "k"}, "symmetric"),
        (changed(ED25519, use="enc"), "use"),
        (changed(ED25519, key_ops=["sign"]), "key_ops"),
        (changed(ED25519, key_ops="verify"), "key_ops"),
        (changed(ED25519, kid=None), "no kid"),
        (changed(ED25519, kid=""), "no kid"),
        (changed(ED25519, kid=7), "no kid"),
        (changed(ED25519, kid="k" * 1_025), "no kid"),
        (changed(ED25519, alg="ES256"), "alg"),
        (changed(ED25519, alg=["EdDSA"]), "alg"),
        (changed(RSA, alg="RS512"), "alg"),
        (changed(RSA, alg="HS256"), "alg"),
        (changed(P256, crv="P-384"), "neither"),
        (changed(ED25519, crv="X25519"), "neither"),
        (changed(ED25519, kty="RSA"), "no n"),
        (changed(ED25519, x="AA"), "Ed25519"),
        (changed(ED25519, x="!"), "base64url"),
        (changed(P256, y=P256["x"]), "curve"),
        (changed(RSA, n="!"), "base64url"),
        (changed(RSA, e=None), "no n or no e"),
    ],
)
def test_a_member_that_cannot_be_relied_on_is_refused(member: Any, problem: str) -> None:
    (said,) = problems(member)
    assert problem in said


def test_a_set_has_a_bounded_number_of_keys() -> None:
    members: list[Any] = [changed(ED25519, kid=f"k{number}") for number in range(MAX_PINNED_KEYS + 1)]
    assert len(read_pinned_keys({"keys": members[1:]})) == MAX_PINNED_KEYS
    assert "at most" in problems(*members)[0]


def rsa_jwk(n: int, e: int = 65_537) -> dict[str, Any]:
    return {"kty": "RSA", "kid": "k", "n": octets(n), "e": octets(e)}


def octets(number: int) -> str:
    return b64(number.to_bytes((number.bit_length() + 7) // 8))


N: int = signer("RS256").private.public_key().public_numbers().n


@pytest.mark.parametrize(
    ("jwk", "problem"),
    [
        (rsa_jwk(2**1_023 + 1), "shorter than 2048"),
        (rsa_jwk(2**2_046 + 1), "shorter than 2048"),
        (rsa_jwk(N - 1), "even"),
        (rsa_jwk(2**4_096 + 1), "2048 to 4096"),
        (rsa_jwk(N, 3), "exponent"),
        (rsa_jwk(N, 65_538), "exponent"),
        (rsa_jwk(N, 2**32 + 1), "exponent"),
        ({**rsa_jwk(N), "n": b64(b"\0" + N.to_bytes(256))}, "shortest"),
        ({**rsa_jwk(N), "e": b64(b"\0\1\0\1")}, "shortest"),
        ({**rsa_jwk(N), "n": "AA"}, "shortest"),
        ({**rsa_jwk(N), "n": ""}, "shorter"),
    ],
)
def test_attack_weak_rsa_keys_are_not_pinned(jwk: dict[str, Any], problem: str) -> None:
    assert problem in problems(jwk)[0]


@pytest.mark.parametrize("bits", [2_048, 3_072])
def test_an_rsa_key_keeps_its_numbers_and_its_name(bits: int) -> None:
    numbers = rsa.generate_private_key(65_537, bits).public_key().public_numbers()
    key = import_rsa_key(numbers.n.to_bytes(bits // 8), b"\1\0\1")
    assert key == RsaPublicKey(numbers.n, 65_537)
    made: Any = RSAAlgorithm.to_jwk(numbers.public_key(), as_dict=True)
    assert key.jwk == {name: made[name] for name in ("kty", "n", "e")}


def test_rfc_7638_names_an_rsa_key_as_its_example_does() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
        "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
        "nqDKgw"
    )
    (key,) = read_pinned_keys({"keys": [{"kty": "RSA", "n": modulus, "e": "AQAB", "kid": "2011-04-29"}]}).values()
    assert key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"  # RFC 7638 3.1


def test_a_signature_of_another_length_is_none() -> None:
    one = signer("RS256")
    assert not one.key.verifies(CardAlgorithm.RS256, b"", b"message")
    assert not one.key.verifies(CardAlgorithm.RS256, b"x" * 257, b"message")
    private = ec.generate_private_key(ec.SECP256R1())
    assert not signer("ES256").key.verifies(CardAlgorithm.ES256, private.sign(b"m", ec.ECDSA(SHA256())), b"m")
