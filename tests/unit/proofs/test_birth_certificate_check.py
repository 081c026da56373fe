"""Reading birth certificates that somebody shows: what holds, and everything that is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ringfence.proofs import credential_check
from ringfence.proofs.birth_certificate_check import BIRTH_CONTEXT, BirthCertificate, check_birth_certificate
from ringfence.proofs.canonical_json import JsonObject, base64url, canonical, digest
from ringfence.proofs.compact_jws import sign_compact_jws
from ringfence.proofs.credential_check import CONTEXT, CredentialError
from ringfence.proofs.data_integrity import make_proof
from ringfence.proofs.did import KeyDid
from ringfence.proofs.did_document import key_document
from ringfence.proofs.public_keys import public_key_of
from ringfence_identity.birth_certificate import certificate_as_jwt, content_json, issue_certificate
from ringfence_kit.clock import DAY, HOUR, SECOND, Instant
from support.identity.births import COMPLETE
from support.identity.certified import (
    AGENT,
    BIRTH,
    DEV_DOCUMENT,
    DEV_KEY,
    DEV_REGISTRAR,
    DOCUMENT,
    REGISTRAR,
    REGISTRAR_KEY,
    as_json,
    as_jwt,
    credential,
)
from support.identity.did_logs import NOW
from support.identity.keys import seeded_key

METHOD = f"{REGISTRAR}#{public_key_of(REGISTRAR_KEY).thumbprint}"
HEADER: JsonObject = {"alg": "EdDSA", "typ": "vc+jwt", "cty": "vc", "kid": METHOD, "iss": str(REGISTRAR)}


def read(text: bytes | str, *, registrar: JsonObject = DOCUMENT, now: Instant = NOW) -> BirthCertificate:
    return check_birth_certificate(text, registrar=registrar, now=now)


def signed(change: Callable[[JsonObject], Any]) -> bytes:
    """Return a credential that was changed before the registrar signed it: every signature holds."""
    content = unsigned()
    change(content)
    proof = make_proof(content, key=REGISTRAR_KEY, verification_method=METHOD, created="2026-01-01T00:00:00Z")
    return canonical({**content, "proof": proof})


def unsigned() -> JsonObject:
    content: JsonObject = json.loads(as_json(credential()))
    del content["proof"]
    return content


def jwt(header: JsonObject, content: JsonObject | None = None) -> str:
    return sign_compact_jws(header, content or unsigned(), REGISTRAR_KEY)


def subject(content: JsonObject) -> JsonObject:
    found = content["credentialSubject"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("form", [as_json, as_jwt])
def test_what_a_certificate_says_is_read(form: Callable[[JsonObject], bytes | str]) -> None:
    certificate = read(form(credential()))
    assert certificate.did == AGENT
    assert certificate.agent == BIRTH.agent
    assert (certificate.environment, certificate.serial) == ("prod", 1)
    assert certificate.certificate_id == f"urn:uuid:{BIRTH.certificate_id}"
    assert certificate.content == content_json(COMPLETE)
    assert certificate.credential.issuer == REGISTRAR
    assert certificate.credential.valid_until is None


def test_the_hash_is_that_of_tokens_and_a_jws_has_none() -> None:
    signed_credential = credential()
    assert read(as_json(signed_credential)).hash == base64url(digest(signed_credential))
    assert read(as_jwt(signed_credential)).hash == ""


def test_text_and_bytes_and_any_white_space_are_read_alike() -> None:
    spaced = json.dumps(credential(), indent=2)
    assert read(spaced) == read(spaced.encode()) == read(as_json(credential()))
    assert read(as_jwt(credential()).encode()) == read(as_jwt(credential()))


def test_an_ephemeral_agent_has_a_certificate_that_ends() -> None:
    did = KeyDid(public_key_of(seeded_key(9)))
    text = as_json(credential(birth=replace(BIRTH, did=str(did), expires_at=Instant(NOW + HOUR))))
    assert read(text).did == did
    assert read(text, now=Instant(NOW + HOUR - 1)).credential.valid_until == NOW + HOUR
    with pytest.raises(CredentialError, match="was valid until 2026-01-01T01:00:00Z"):
        read(text, now=Instant(NOW + HOUR))


def test_a_certificate_without_an_end_outlives_the_years() -> None:
    assert read(as_json(credential()), now=Instant(NOW + 3_650 * DAY)).serial == 1


def test_an_issuers_clock_may_stand_a_little_ahead_and_no_more() -> None:
    text = as_json(credential())
    assert read(text, now=Instant(NOW - credential_check.SKEW)).serial == 1
    for form in (as_json, as_jwt):
        with pytest.raises(CredentialError, match=r"future|not valid yet"):
            read(form(credential()), now=Instant(NOW - credential_check.SKEW - SECOND))


def test_a_certificate_of_dev_is_nothing_in_prod() -> None:
    """Attack: whoever holds dev's registrar key signs what prod would sign."""
    in_dev = issue_certificate(COMPLETE, BIRTH, registrar=DEV_REGISTRAR, key=DEV_KEY)
    for text in (as_json(in_dev), certificate_as_jwt(in_dev, registrar=DEV_REGISTRAR, key=DEV_KEY)):
        with pytest.raises(CredentialError, match="asserts nothing with the key"):
            read(text)
        with pytest.raises(CredentialError, match="not an agent of its issuer's environment"):
            read(text, registrar=DEV_DOCUMENT)


def test_a_certificate_that_only_names_prod_as_its_issuer_is_refused() -> None:
    """Attack: the content says prod, the key is dev's, the key's name is prod's."""
    content = unsigned()
    for method in (METHOD, f"{DEV_REGISTRAR}#{public_key_of(DEV_KEY).thumbprint}"):
        proof = make_proof(content, key=DEV_KEY, verification_method=method, created="2026-01-01T00:00:00Z")
        with pytest.raises(CredentialError, match=r"does not verify|asserts nothing"):
            read(canonical({**content, "proof": proof}))
        with pytest.raises(CredentialError, match=r"does not verify|asserts nothing"):
            read(sign_compact_jws({**HEADER, "kid": method}, content, DEV_KEY))


def test_an_agent_cannot_issue_its_own_certificate() -> None:
    """Attack: the key is good, and it is the agent's."""
    key = seeded_key(1)
    own = key_document(KeyDid(public_key_of(key)))
    content = unsigned()
    name = str(own["id"])
    proof = make_proof(content, key=key, verification_method=f"{name}#x", created="2026-01-01T00:00:00Z")
    with pytest.raises(CredentialError, match="asserts nothing"):
        read(canonical({**content, "proof": proof}))
    with pytest.raises(CredentialError, match="not a registrar's"):
        read(canonical({**content, "proof": proof}), registrar=own)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda c: c.pop("@context"), "first context"),
        (lambda c: c.update({"@context": [BIRTH_CONTEXT, CONTEXT]}), "first context"),
        (lambda c: c.update({"@context": CONTEXT}), "first context"),
        (lambda c: c.update({"@context": [CONTEXT]}), "contexts are not those"),
        (lambda c: c.update({"@context": [CONTEXT, BIRTH_CONTEXT, "https://evil.example"]}), "contexts are not those"),
        (lambda c: c.update(type=["VerifiableCredential"]), "not a VerifiableCredential of type"),
        (lambda c: c.update(type=["AgentBirthCertificate"]), "not a VerifiableCredential of type"),
        (lambda c: c.update(type="AgentBirthCertificate"), "not a VerifiableCredential of type"),
        (lambda c: c.pop("issuer"), r"its iss(uer)? is not"),
        (lambda c: c.update(issuer={"id": str(REGISTRAR)}), r"its iss(uer)? is not"),
        (lambda c: c.update(issuer=str(DEV_REGISTRAR)), r"its iss(uer)? is not"),
        (lambda c: c.pop("validFrom"), "validFrom"),
        (lambda c: c.update(validFrom="2026-01-01"), "validFrom"),
        (lambda c: c.update(validFrom="2026-01-01T00:00:00+00:00"), "validFrom"),
        (lambda c: c.update(validFrom="2026-13-01T00:00:00Z"), "validFrom"),
        (lambda c: c.update(validFrom="0000-01-01T00:00:00Z"), "validFrom"),
        (lambda c: c.update(validUntil=None), "validUntil"),
        (lambda c: c.update(validUntil="2026-01-01T00:00:00Z"), "was valid until"),
        (lambda c: c.pop("id"), "no id"),
        (lambda c: c.pop("credentialSubject"), "not one subject"),
        (lambda c: c.update(credentialSubject=[c["credentialSubject"]]), "not one subject"),
        (lambda c: subject(c).pop("id"), "not an agent"),
        (lambda c: subject(c).update(id="https://example.com"), "not an agent"),
        (lambda c: subject(c).update(id=str(REGISTRAR)), "not an agent of its issuer's environment"),
        (lambda c: subject(c).pop("agent"), "not an agent"),
        (lambda c: subject(c).pop("environment"), "not an agent"),
        (lambda c: subject(c).pop("serial"), "not an agent"),
        (lambda c: subject(c).update(serial=0), "not an agent"),
        (lambda c: subject(c).update(serial="1"), "not an agent"),
    ],
)
def test_what_a_registrar_would_never_sign_is_refused_in_either_form(
    change: Callable[[JsonObject], Any], problem: str
) -> None:
    with pytest.raises(CredentialError, match=problem):
        read(signed(change))
    content = unsigned()
    change(content)
    with pytest.raises(CredentialError, match=problem):
        read(jwt(HEADER, content))


@pytest.mark.parametrize(
    ("proof", "problem"),
    [
        (None, "does not carry one proof"),
        ([], "does not carry one proof"),
        ([credential()["proof"]], "does not carry one proof"),
        ({}, "does not carry one proof"),
        ({"cryptosuite": "eddsa-rdfc-2022"}, "cryptosuite"),
        ({"type": "Ed25519Signature2020"}, "type"),
        ({"proofPurpose": "authentication"}, "proofPurpose"),
        ({"created": "2026-01-01T00:00:01Z"}, "does not verify"),
        ({"@context": [CONTEXT]}, "@context"),
        ({"expires": "2030-01-01T00:00:00Z"}, "unknown proof options"),
        ({"previousProof": "urn:x"}, "unknown proof options"),
        ({"proofValue": "m123"}, "base58btc"),
        ({"proofValue": "z"}, "does not verify"),
        ({"proofValue": "z" + "1" * 64}, "does not verify"),
    ],
)
def test_a_proof_of_any_other_kind_is_refused(proof: Any, problem: str) -> None:
    whole = credential()
    if isinstance(proof, dict) and proof:
        original = whole["proof"]
        assert isinstance(original, dict)
        proof = {**original, **proof}
    with pytest.raises(CredentialError, match=problem):
        read(canonical({**whole, "proof": proof}))


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ({"alg": "none"}, "alg is not EdDSA"),
        ({"alg": "HS256"}, "alg is not EdDSA"),
        ({"alg": "ES256"}, "alg is not EdDSA"),
        ({"typ": "at+jwt"}, "typ is not vc"),
        ({"typ": "JWT"}, "typ is not vc"),
        ({"cty": "vp"}, "cty is not vc"),
        ({"crit": ["exp"]}, "critical"),
        ({"iss": str(DEV_REGISTRAR)}, "iss is not its issuer"),
        ({"kid": None}, "names no key"),
        ({"kid": public_key_of(REGISTRAR_KEY).thumbprint}, "asserts nothing"),
        ({"kid": f"{REGISTRAR}#other"}, "asserts nothing"),
    ],
)
def test_a_jws_of_any_other_kind_is_refused(header: JsonObject, problem: str) -> None:
    """Attacks: downgrade of algorithm, type and key; and no header leads to a key of the attacker's."""
    with pytest.raises(CredentialError, match=problem):
        read(jwt({**HEADER, **header}))


def test_a_key_in_the_header_is_not_trusted() -> None:
    stranger = seeded_key(77)
    header: JsonObject = {**HEADER, "jwk": dict(public_key_of(stranger).jwk), "jku": "https://evil.example/jwks"}
    with pytest.raises(CredentialError, match="does not verify"):
        read(sign_compact_jws(header, unsigned(), stranger))


def test_both_names_of_the_algorithm_are_read() -> None:
    assert read(jwt({**HEADER, "alg": "Ed25519"})).serial == 1


@pytest.mark.parametrize("member", ["vc", "vp", "proof"])
def test_a_jws_whose_payload_is_not_the_credential_itself_is_refused(member: str) -> None:
    with pytest.raises(CredentialError, match="not the credential itself"):
        read(jwt(HEADER, {**unsigned(), member: {}}))


def test_a_jws_of_another_use_is_not_taken_for_a_certificate() -> None:
    """Attack: what the registrar signed elsewhere is presented here."""
    with pytest.raises(CredentialError, match="typ is not vc"):
        read(sign_compact_jws({"alg": "EdDSA", "kid": METHOD}, unsigned(), REGISTRAR_KEY))


@pytest.mark.parametrize(
    "text",
    [
        "",
        b"",
        "{",
        "{}",
        "[]",
        "null",
        "a.b.c",
        "a.b",
        b"\xff\xfe",
        "\u00e9.\u00e9.\u00e9",
        b"{\xff}",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"proof": {"verificationMethod": 1, "created": 2}}',
        "{" * 100_000,
        '{"a":' * 100_000,
        '{"proof":' + "[" * 100_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_what_is_no_credential_at_all_is_refused(text: str | bytes) -> None:
    with pytest.raises(CredentialError):
        read(text)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(x="\ud800"),
        lambda c: c.update({"\ud800": 1}),
        lambda c: c["proof"].update({"\ud800": 1}),
        lambda c: c["proof"].update(verificationMethod="\ud800"),
        lambda c: c["proof"].update(proofValue="z\ud800"),
        lambda c: c["proof"].update(created="\u0662026-01-01T00:00:00Z"),
        lambda c: c.update(x=2**60),
        lambda c: c.update(x=0.1),
    ],
)
def test_what_has_no_canonical_form_is_refused_and_never_more(change: Callable[[Any], Any]) -> None:
    """Attack: JSON that some readers take and that cannot be signed over: lone surrogates, numbers that are rounded."""
    whole = json.loads(as_json(credential()))
    change(whole)
    with pytest.raises(CredentialError):
        read(json.dumps(whole))


def test_a_credential_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(CredentialError, match="longer than"):
        read(b"{" + b" " * credential_check.MAX_BYTES)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": "did:example:1"}, "not a registrar's"),
        ({"id": str(AGENT)}, "not a registrar's"),
        ({"assertionMethod": []}, "names no key"),
        ({"assertionMethod": METHOD}, "names no key"),
        ({"verificationMethod": []}, "names no key"),
        ({"verificationMethod": {}}, "names no key"),
        ({"verificationMethod": [{"id": METHOD, "type": "JsonWebKey", "controller": str(REGISTRAR)}]}, "names no key"),
        (
            {
                "verificationMethod": [
                    {
                        "id": METHOD,
                        "type": "Multikey",
                        "controller": "did:web:elsewhere.example",
                        "publicKeyMultibase": public_key_of(REGISTRAR_KEY).multibase,
                    }
                ]
            },
            "names no key",
        ),
        (
            {
                "verificationMethod": [
                    {
                        "id": METHOD,
                        "type": "Multikey",
                        "controller": str(REGISTRAR),
                        "publicKeyMultibase": "z6MkeTG3bFFSLYVU7VqhgZxqr6YzpaGrQtFMh1uvqGy1vDnP",
                    }
                ]
            },
            "refused",
        ),
    ],
)
def test_a_registrars_document_that_does_not_show_the_key_is_refused(change: JsonObject, problem: str) -> None:
    with pytest.raises(CredentialError, match=problem):
        read(as_json(credential()), registrar={**DOCUMENT, **change})
