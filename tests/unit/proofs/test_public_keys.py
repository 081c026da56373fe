"""Which public keys are trusted, and how they are written."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from ringfence.proofs import base58
from ringfence.proofs.public_keys import PublicKeyError, from_multibase, import_key, public_key_of
from support.identity.keys import P, encoding, seeded_key, torsion_encodings


@pytest.mark.parametrize("raw", torsion_encodings(), ids=lambda raw: raw.hex()[:16] + raw.hex()[-4:])
def test_every_spelling_of_a_small_order_point_is_refused(raw: bytes) -> None:
    with pytest.raises(PublicKeyError):
        import_key(raw)


def test_there_are_fourteen_such_spellings() -> None:
    assert len(set(torsion_encodings())) == 14


def test_the_library_would_have_trusted_one_signature_for_every_message() -> None:
    """Why the check exists: R = A and S = 0 verifies under the identity point, whatever was signed."""
    neutral = encoding(1, 0)
    forged = neutral + bytes(32)
    for message in (b"pay one", b"pay a million"):
        Ed25519PublicKey.from_public_bytes(neutral).verify(forged, message)


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_another_length_is_refused(length: int) -> None:
    with pytest.raises(PublicKeyError, match=f"{length} bytes long"):
        import_key(bytes(length))


@pytest.mark.parametrize("y", [P, P + 1, P + 2, P + 18])
@pytest.mark.parametrize("sign", [0, 1])
def test_a_y_coordinate_that_is_not_reduced_is_refused(y: int, sign: int) -> None:
    with pytest.raises(PublicKeyError, match="not reduced"):
        import_key(encoding(y, sign))


def test_bytes_off_the_curve_are_refused() -> None:
    with pytest.raises(PublicKeyError, match="no point"):
        import_key(encoding(2, 0))


def test_a_key_is_named_by_its_rfc_7638_thumbprint() -> None:
    # RFC 8037 appendix A.3 prints the thumbprint of this key.
    key = import_key(bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
    assert key.jwk["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_multibase_is_48_characters_and_starts_with_z6mk() -> None:
    for number in range(1, 20):
        text = public_key_of(seeded_key(number)).multibase
        assert text.startswith("z6Mk")
        assert len(text) == 48


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must start with z"),
        ("uAAAA", "must start with z"),
        ("z", "must start with z6Mk"),
        ("z6Mk0", "not a base58 character"),
        ("z" + base58.encode(b"\x80\x24" + bytes(33)), "must start with z6Mk"),
        ("z" + base58.encode(b"\xed\x01" + bytes(31)), "31 bytes"),
        ("z" + base58.encode(b"\xed\x01" + bytes(33)), "33 bytes"),
        ("z" + base58.encode(b"\xed\x01" + encoding(1, 0)), "small order"),
        ("z" + "1" * 300, "longer than"),
    ],
)
def test_other_multibase_is_refused(text: str, problem: str) -> None:
    with pytest.raises(PublicKeyError, match=problem):
        from_multibase(text)


def test_a_signature_verifies_only_for_its_message_and_length() -> None:
    key = seeded_key(1)
    signature = key.sign(b"message")
    public = public_key_of(key)
    assert public.verifies(signature, b"message")
    assert not public.verifies(signature, b"massage")
    assert not public.verifies(signature[:-1], b"message")
    assert not public.verifies(b"", b"message")
