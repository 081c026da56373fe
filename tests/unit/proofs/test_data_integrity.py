"""Data Integrity proofs: believed by another implementation, and refused for the rule they break."""

import itertools
from typing import Any

import pytest
from did_webvh.core.proof import di_jcs_verify
from ringfence.proofs.canonical_json import CanonicalFormError, Json, canonical, parse_object
from ringfence.proofs.data_integrity import DataIntegrityError, check_proof, make_proof
from ringfence.proofs.public_keys import public_key_of
from ringfence.proofs.timestamps import is_timestamp, parse_timestamp, timestamp
from ringfence_kit.clock import Instant
from support.identity.keys import seeded_key

KEY = seeded_key(31)
PUBLIC = public_key_of(KEY)
DOCUMENT: dict[str, Json] = {"@context": ["https://www.w3.org/ns/credentials/v2"], "id": "urn:x", "n": [1, None, True]}


def proof(**changes: Any) -> dict[str, Any]:
    """Return a sound proof with some options changed, or taken away by None."""
    sound = make_proof(DOCUMENT, key=KEY, verification_method="did:x#y", created="2026-01-01T00:00:00Z")
    return {name: value for name, value in {**sound, **changes}.items() if value is not None}


def test_another_implementation_believes_it() -> None:
    di_jcs_verify({**DOCUMENT, "proof": proof()}, proof(), {"publicKeyMultibase": PUBLIC.multibase})


def test_a_sound_proof_holds_for_its_document_and_key() -> None:
    check_proof(DOCUMENT, proof(), key=PUBLIC)
    with pytest.raises(DataIntegrityError, match="does not verify"):
        check_proof({**DOCUMENT, "id": "urn:y"}, proof(), key=PUBLIC)
    with pytest.raises(DataIntegrityError, match="does not verify"):
        check_proof(DOCUMENT, proof(), key=public_key_of(seeded_key(32)))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (None, "not an object"),
        ([], "not an object"),
        (proof(type="Ed25519Signature2020"), "type"),
        (proof(cryptosuite="eddsa-rdfc-2022"), "cryptosuite"),
        (proof(cryptosuite=None), "cryptosuite"),
        (proof(proofPurpose="authentication"), "proofPurpose"),
        (proof(created="yesterday"), "created"),
        (proof(created=None), "created"),
        (proof(created=7), "created"),
        (proof(created="2026-01-01T00:00:01Z"), "does not verify"),
        (proof(verificationMethod="did:x#z"), "does not verify"),
        (proof(verificationMethod="\ud800"), "not signable"),
        (proof(domain="example.com"), "unknown proof options: domain"),
        (proof(**{"@context": ["https://evil.example"]}), "@context"),
        (proof(proofValue=None), "multibase"),
        (proof(proofValue="u"), "multibase"),
        (proof(proofValue="z0"), "multibase"),
        (proof(proofValue="z1"), "does not verify"),
        (proof(proofValue="z" + "1" * 300), "multibase"),
    ],
)
def test_each_broken_rule_is_named(changed: Json, problem: str) -> None:
    with pytest.raises(DataIntegrityError, match=problem):
        check_proof(DOCUMENT, changed, key=PUBLIC)


def test_what_json_cannot_say_exactly_is_not_signed() -> None:
    endless: list[Any] = []
    for value in (2**53, float("nan"), float("inf"), "\ud800"):
        with pytest.raises(CanonicalFormError):
            canonical(value)
    for _ in itertools.repeat(None, 100_000):
        endless = [endless]
    with pytest.raises(CanonicalFormError):
        canonical(endless)


def test_canonical_json_is_rfc_8785s() -> None:
    # Members sort by UTF-16 code units and numbers print as ECMAScript does (RFC 8785 3.2.2.3, 3.2.3).
    assert canonical({"\ue000": 1, "\U00010000": 2}) == '{"\U00010000":2,"\ue000":1}'.encode()
    assert canonical([1e21, 0.000001, -0.0, 1.0]) == b"[1e+21,0.000001,0,1]"


@pytest.mark.parametrize("text", ["[]", "1", "", '{"a":1,"a":1}', '{"a":NaN}', '{"a":{"b":1,"b":2}}', b"\xff"])
def test_strict_parsing_refuses_what_parsers_disagree_on(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_object(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.0Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T00:00:00+00:00",
    ],
)
def test_one_spelling_of_a_time_is_a_time(text: str) -> None:
    assert not is_timestamp(text)
    with pytest.raises(ValueError, match=r".+"):
        parse_timestamp(text)


def test_a_time_is_cut_to_the_second_and_comes_back() -> None:
    assert timestamp(Instant(1_767_225_600_999)) == "2026-01-01T00:00:00Z"
    assert parse_timestamp("2026-01-01T00:00:00Z") == 1_767_225_600_000
