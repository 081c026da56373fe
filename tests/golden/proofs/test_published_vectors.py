"""What other people published about the formats used here, computed by our code: every answer must be theirs."""

import hashlib
import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from ringfence.proofs import base58, data_integrity, edwards25519
from ringfence.proofs.canonical_json import CanonicalFormError, base64url, canonical
from ringfence.proofs.card_keys import PinnedKeysError, read_pinned_keys
from ringfence.proofs.compact_jws import from_base64url
from ringfence.proofs.did import KeyDid, parse_did
from ringfence.proofs.did_document import key_document
from ringfence.proofs.public_keys import PublicKeyError, from_multibase, import_key, public_key_of
from ringfence.proofs.status_list_check import expand
from ringfence_identity.status.lists import encoded_list
from ringfence_kit.clock import EPOCH
from ringfence_kit.sealed_keys import Ed25519Signer
from support.vectors import FOLDER, vectors

RFC8032 = vectors("rfc8032_ed25519")["cases"]
RFC8037 = vectors("rfc8037_jose")
RFC8785 = vectors("rfc8785_jcs")["cases"]
NUMBERS = vectors("rfc8785_numbers")
EDDSA_JCS = vectors("w3c_eddsa_jcs_2022")
DID_KEY = vectors("did_key_ed25519")
REFUSED = vectors("ed25519_refused_keys")
ROCA = vectors("wycheproof_roca")
STATUS_LIST = vectors("w3c_bitstring_status_list")["cases"]


def named(case: Any) -> str:
    return str(case.get("name") or case.get("ieee754") or case.get("what")) if isinstance(case, dict) else ""


def test_every_file_names_its_source() -> None:
    for path in FOLDER.glob("*.json"):
        assert vectors(path.stem)["source"]


@pytest.mark.parametrize("case", RFC8032, ids=named)
def test_ed25519_signs_and_verifies_as_in_rfc_8032(case: dict[str, str]) -> None:
    key = Ed25519Signer(bytes.fromhex(case["secret_key"]), EPOCH)
    message, signature = bytes.fromhex(case["message"]), bytes.fromhex(case["signature"])
    assert key.public_key.hex() == case["public_key"]
    assert key.sign(message) == signature
    public = import_key(bytes.fromhex(case["public_key"]))
    assert public.verifies(signature, message)
    for spoiled in (signature[:-1] + bytes([signature[-1] ^ 1]), signature[:-1], signature + b"\0", b""):
        assert not public.verifies(spoiled, message)
    assert not public.verifies(signature, message + b"\0")


def test_a_signature_whose_s_is_not_reduced_is_refused() -> None:
    """RFC 8032 5.1.7: the same signature must not have a second spelling."""
    case = RFC8032[1]
    signature = bytes.fromhex(case["signature"])
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signature[32:], "little") + order
    public = import_key(bytes.fromhex(case["public_key"]))
    assert not public.verifies(signature[:32] + s.to_bytes(32, "little"), bytes.fromhex(case["message"]))


def test_the_thumbprint_and_the_jws_are_those_of_rfc_8037() -> None:
    jwk = RFC8037["jwk"]
    key = Ed25519Signer(from_base64url(jwk["d"]), EPOCH)
    public = public_key_of(key)
    assert public.jwk == {name: jwk[name] for name in ("crv", "kty", "x")}
    assert public.thumbprint == RFC8037["thumbprint"]
    header, payload, signature = RFC8037["jws"].split(".")
    assert json.loads(from_base64url(header)) == {"alg": "EdDSA"}
    assert from_base64url(payload).decode() == RFC8037["payload"]
    assert base64url(key.sign(f"{header}.{payload}".encode())) == signature
    assert public.verifies(from_base64url(signature), f"{header}.{payload}".encode())


@pytest.mark.parametrize("case", RFC8785, ids=named)
def test_documents_have_the_canonical_form_of_rfc_8785(case: dict[str, str]) -> None:
    once = canonical(json.loads(case["input"]))
    assert once.hex() == case["output_hex"]
    assert canonical(json.loads(once)) == once


@pytest.mark.parametrize("case", NUMBERS["cases"], ids=named)
def test_numbers_have_the_canonical_form_of_appendix_b(case: dict[str, str]) -> None:
    assert canonical(double(int(case["ieee754"], 16))).decode() == case["json"]


@pytest.mark.parametrize("bits", NUMBERS["refused"])
def test_what_is_no_number_in_json_is_refused(bits: str) -> None:
    with pytest.raises(CanonicalFormError):
        canonical(double(int(bits, 16)))


@pytest.mark.parametrize("lines", ["1000", "10000"])
def test_thousands_of_numbers_have_the_published_hash(lines: str) -> None:
    found = hashlib.sha256()
    for count, bits in enumerate(sequence(), start=1):
        found.update(f"{bits:x},".encode() + canonical(double(bits)) + b"\n")
        if count == int(lines):
            break
    assert found.hexdigest() == NUMBERS["sequence"]["sha256"][lines]


def test_a_proof_is_made_and_checked_as_in_vc_di_eddsa() -> None:
    signed: dict[str, Any] = EDDSA_JCS["signed"]
    document = {name: value for name, value in signed.items() if name != "proof"}
    options = {name: value for name, value in signed["proof"].items() if name != "proofValue"}
    assert canonical(document).decode() == EDDSA_JCS["canonical_document"]
    assert hashlib.sha256(canonical(document)).hexdigest() == EDDSA_JCS["document_hash"]
    assert canonical(options).decode() == EDDSA_JCS["canonical_options"]
    assert hashlib.sha256(canonical(options)).hexdigest() == EDDSA_JCS["options_hash"]
    public = from_multibase(EDDSA_JCS["public_key_multibase"])
    data_integrity.check_proof(document, signed["proof"], key=public)
    secret = base58.decode(EDDSA_JCS["secret_key_multibase"][1:])
    assert secret[:2] == b"\x80\x26"  # Multikey: ed25519-priv
    made = data_integrity.make_proof(
        document,
        key=Ed25519Signer(secret[2:], EPOCH),
        verification_method=options["verificationMethod"],
        created=options["created"],
    )
    assert made == signed["proof"]
    assert base58.decode(str(made["proofValue"])[1:]).hex() == EDDSA_JCS["signature"]


def test_the_published_proof_holds_for_nothing_else() -> None:
    signed: dict[str, Any] = EDDSA_JCS["signed"]
    document = {name: value for name, value in signed.items() if name != "proof"}
    public = from_multibase(EDDSA_JCS["public_key_multibase"])
    for changed in ({**document, "name": "Alumni"}, {**document, "extra": 1}, {**document, "@context": []}):
        with pytest.raises(data_integrity.DataIntegrityError):
            data_integrity.check_proof(changed, signed["proof"], key=public)
    for option, value in (("created", "2023-02-24T23:36:39Z"), ("verificationMethod", "did:key:z"), ("nonce", "1")):
        with pytest.raises(data_integrity.DataIntegrityError):
            data_integrity.check_proof(document, {**signed["proof"], option: value}, key=public)


@pytest.mark.parametrize("case", DID_KEY["cases"], ids=lambda case: case["seed"][-1])
def test_keys_have_the_published_did(case: dict[str, str]) -> None:
    key = Ed25519Signer(bytes.fromhex(case["seed"]), EPOCH)
    assert key.public_key.hex() == case["public_key"]
    assert str(KeyDid(public_key_of(key))) == case["did"]
    did = parse_did(case["did"])
    assert isinstance(did, KeyDid)
    assert did.key.raw == key.public_key


def test_a_did_key_has_the_published_document() -> None:
    expected = DID_KEY["document"]
    did = parse_did(expected["id"])
    assert isinstance(did, KeyDid)
    document = key_document(did)
    # Ours is written in the contexts of DID 1.0 and leaves the optional X25519 key out.
    assert {name: value for name, value in document.items() if name != "@context"} == expected


@pytest.mark.parametrize("case", REFUSED["small_order"], ids=lambda case: case["point"][:8] + case["point"][-2:])
def test_points_of_small_order_are_refused_at_import(case: dict[str, str]) -> None:
    point = bytes.fromhex(case["point"])
    assert edwards25519.has_small_order(point)
    for importing in (import_key, imported_as_multibase):
        with pytest.raises(PublicKeyError, match="small order"):
            importing(point)


@pytest.mark.parametrize("case", REFUSED["not_canonical"], ids=lambda case: case["point"][:8] + case["point"][-2:])
def test_encodings_that_are_not_canonical_are_refused_at_import(case: dict[str, str]) -> None:
    for importing in (import_key, imported_as_multibase):
        with pytest.raises(PublicKeyError, match=r"not reduced|negative zero"):
            importing(bytes.fromhex(case["point"]))


def test_an_rsa_key_whose_private_half_can_be_found_is_not_pinned() -> None:
    with pytest.raises(PinnedKeysError, match="make a new pair"):
        read_pinned_keys({"keys": [ROCA["jwk"]]})


@pytest.mark.parametrize("case", STATUS_LIST, ids=["zeros"])
def test_a_published_status_list_is_expanded_and_ours_says_the_same(case: dict[str, Any]) -> None:
    bits = expand(case["encoded"])
    assert len(bits) == case["bytes"]
    assert not any(bits)
    assert expand(encoded_list(case["set"])) == bits


def imported_as_multibase(point: bytes) -> object:
    return from_multibase("z" + base58.encode(b"\xed\x01" + point))


def double(bits: int) -> float:
    value: float = struct.unpack(">d", bits.to_bytes(8, "big"))[0]
    return value


def sequence() -> Iterator[int]:
    """Yield the published sequence: chosen values, the smallest normal ones, then a chain of SHA-256 digests."""
    yield from (int(bits, 16) for bits in NUMBERS["sequence"]["first"])
    start = int(NUMBERS["sequence"]["then_from"], 16)
    yield from range(start, start + NUMBERS["sequence"]["then_count"])
    block = bytes(32)
    while True:
        block = hashlib.sha256(block).digest()
        for bits in struct.unpack("<4Q", block):
            exponent, mantissa = bits >> 52 & 0x7FF, bits & (1 << 52) - 1
            is_zero = not exponent and not mantissa
            if exponent != 0x7FF and not is_zero:
                yield bits
