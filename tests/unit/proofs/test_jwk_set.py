"""Reading a JWK Set: two kinds of key under their own names, and nothing else is ever used."""

from typing import Any

import joserfc.jwk
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from ringfence.proofs.canonical_json import base64url
from ringfence.proofs.compact_jws import JwsError, from_base64url, open_compact_jws
from ringfence.proofs.jwk_set import algorithm_of, key_of_jwk, published_jwk, read_jwk_set
from ringfence.proofs.p256_keys import P256PublicKey, import_p256_key
from ringfence.proofs.public_keys import PublicKeyError, import_key
from ringfence_kit.sealed_keys import P256_ORDER
from support.identity.issuer_tokens import ED25519, P256, keys_of
from support.identity.keys import torsion_encodings

KEYS = keys_of(ED25519, P256)
GOOD = [published_jwk(key) for key in KEYS.values()]
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
"""The field of P-256."""


def jwk(key: Any, **changes: Any) -> dict[str, Any]:
    changed = {**published_jwk(KEYS[key.key_id]), **changes}
    return {name: value for name, value in changed.items() if value is not None}


def test_both_kinds_are_read() -> None:
    assert read_jwk_set({"keys": [*GOOD]}) == KEYS
    assert {algorithm_of(key) for key in KEYS.values()} == {"EdDSA", "ES256"}


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}])
def test_what_is_no_set_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match="not a JWK Set"):
        read_jwk_set(document)


def test_what_rfc_9864_calls_the_algorithm_is_taken_too() -> None:
    assert list(read_jwk_set({"keys": [jwk(ED25519, alg="Ed25519")]})) == [ED25519.key_id]


@pytest.mark.parametrize(
    "member",
    [
        None,
        "x",
        7,
        [],
        {},
        jwk(ED25519, kid=None),
        jwk(ED25519, kid="key-1"),
        jwk(ED25519, kid=P256.key_id),
        jwk(ED25519, kid=["x"]),
        jwk(ED25519, alg=None),
        jwk(ED25519, alg="ES256"),
        jwk(ED25519, alg="none"),
        jwk(ED25519, alg=["EdDSA"]),
        jwk(ED25519, use=None),
        jwk(ED25519, use="enc"),
        jwk(ED25519, crv="X25519"),
        jwk(ED25519, kty="EC"),
        jwk(ED25519, x=None),
        jwk(ED25519, x=7),
        jwk(ED25519, x=ED25519.jwk["x"] + "="),
        jwk(ED25519, x=ED25519.jwk["x"][:-1]),
        jwk(ED25519, d="AAAA"),
        jwk(P256, alg="EdDSA"),
        jwk(P256, crv="P-384"),
        jwk(P256, crv="secp256k1"),
        jwk(P256, y=None),
        jwk(P256, y=P256.jwk["x"]),
        jwk(P256, x=base64url(bytes(32)), y=base64url(bytes(32))),
        {"kty": "oct", "k": "AAAA", "alg": "HS256", "use": "sig", "kid": "x"},
        {"kty": "RSA", "n": "AAAA", "e": "AQAB", "alg": "RS256", "use": "sig", "kid": "x"},
    ],
)
def test_a_member_that_is_anything_else_verifies_nothing_and_takes_nobody_down(member: Any) -> None:
    assert read_jwk_set({"keys": [member, *GOOD]}) == KEYS


def test_weak_ed25519_keys_are_passed_over() -> None:
    for raw in torsion_encodings():
        with pytest.raises(PublicKeyError):
            key_of_jwk({"kty": "OKP", "crv": "Ed25519", "x": base64url(raw)})


class TestP256:
    def test_the_name_is_what_another_library_says(self) -> None:
        assert KEYS[P256.key_id].thumbprint == joserfc.jwk.ECKey.import_key({**P256.jwk}).thumbprint()

    def test_what_another_library_signed_verifies(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        private = ec.generate_private_key(ec.SECP256R1())
        numbers = private.public_key().public_numbers()
        key = import_p256_key(numbers.x.to_bytes(32), numbers.y.to_bytes(32))
        r, s = decode_dss_signature(private.sign(b"message", ec.ECDSA(SHA256())))
        assert key.verifies(r.to_bytes(32) + s.to_bytes(32), b"message")
        # The mirrored signature is one too: ECDSA has two for everything, and nothing here counts signatures.
        assert key.verifies(r.to_bytes(32) + (P256_ORDER - s).to_bytes(32), b"message")

    @pytest.mark.parametrize(
        "signature",
        [
            b"",
            bytes(64),
            bytes(63),
            bytes(65),
            b"\xff" * 64,
            bytes(31) + b"\1" + bytes(32),
            P256_ORDER.to_bytes(32) + P256_ORDER.to_bytes(32),
            P256.sign(b"another message"),
            P256.sign(b"message")[::-1],
        ],
        ids=["empty", "zeros", "short", "long", "ones", "r only", "order", "another message", "reversed"],
    )
    def test_nothing_else_does(self, signature: bytes) -> None:
        assert not KEYS[P256.key_id].verifies(signature, b"message")

    def test_coordinates_have_32_bytes_and_are_on_the_curve(self) -> None:
        key = KEYS[P256.key_id]
        assert isinstance(key, P256PublicKey)
        for x, y in (
            (key.x[1:], key.y),
            (b"\0" + key.x, key.y),
            (key.y, key.x),
            (key.x, (P - int.from_bytes(key.y) - 1).to_bytes(32)),
            ((int.from_bytes(key.x) + P).to_bytes(33)[-32:], key.y),
            (P.to_bytes(32), key.y),
        ):
            with pytest.raises(PublicKeyError, match="P-256"):
                import_p256_key(x, y)


class TestCompactJws:
    @pytest.mark.parametrize("text", ["A", "AA=", "A A", "AB", "+/+/", "AAA\n", "é", "AAAAA"])
    def test_base64url_has_one_spelling(self, text: str) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - whichever of its reasons
            from_base64url(text)

    @pytest.mark.parametrize("data", [b"", b"\0", b"ab", b"abc", bytes(range(256))])
    def test_what_was_written_is_read(self, data: bytes) -> None:
        assert from_base64url(base64url(data)) == data

    def test_a_problem_names_the_part(self) -> None:
        with pytest.raises(JwsError, match="its payload is not a JSON object"):
            open_compact_jws("e30.W10.AA", longest=100)
        with pytest.raises(JwsError, match="its signature is not base64url"):
            open_compact_jws("e30.e30.A", longest=100)
        with pytest.raises(JwsError, match="three parts"):
            open_compact_jws("e30.e30", longest=100)
        with pytest.raises(JwsError, match="longer than 5"):
            open_compact_jws("e30.e30.AA", longest=5)

    def test_the_parts_are_as_they_were_signed(self) -> None:
        opened = open_compact_jws("eyJhIjoxfQ.eyJiIjoyfQ.AQI", longest=100)
        assert (opened.header, opened.payload) == ({"a": 1}, {"b": 2})
        assert opened.signing_input == b"eyJhIjoxfQ.eyJiIjoyfQ"
        assert opened.signature == b"\1\2"


def test_no_small_order_key_gets_in_by_another_door() -> None:
    with pytest.raises(PublicKeyError):
        import_key(bytes([1]) + bytes(31))
