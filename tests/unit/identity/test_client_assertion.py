"""The client assertion: each way to bend one, and the answer."""

import base64
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.public_keys import public_key_of
from ringfence_identity.client_assertion import MAX_ASSERTION_BYTES, Assertion, check_assertion, read_assertion
from ringfence_identity.errors import AssertionInvalid
from ringfence_kit.clock import SECOND, Instant
from support.identity.assertions import assertion, compact
from support.identity.keys import seeded_key

DID = "did:webvh:QmX:prod.id.ringfence.internal:agents:QmX"
ISSUER = "https://prod.id.ringfence.internal"
NOW = Instant(1_767_225_600_000)
SECONDS = NOW // SECOND
KEY = seeded_key(11)
CLAIMS: dict[str, Any] = {"iss": DID, "sub": DID, "aud": ISSUER, "iat": SECONDS, "exp": SECONDS + 60, "jti": "a"}
HEADER: dict[str, Any] = {"alg": "EdDSA"}


def judge(text: str, now: Instant = NOW) -> Assertion:
    return check_assertion(read_assertion(text), key=public_key_of(KEY), issuer=ISSUER, now=now)


def problem_of(text: str) -> str:
    with pytest.raises(AssertionInvalid) as invalid:
        judge(text)
    return invalid.value.metadata["problem"]


def test_a_sound_assertion_tells_its_id_and_expiry() -> None:
    assert judge(assertion(KEY, DID, ISSUER, NOW)) == Assertion("assertion-1", Instant(NOW + 60 * SECOND))


def test_one_made_by_a_common_library_is_accepted() -> None:
    private = Ed25519PrivateKey.from_private_bytes((11).to_bytes(32, "big"))
    text = jwt.encode(CLAIMS, private, algorithm="EdDSA", headers={"kid": public_key_of(KEY).thumbprint})
    assert judge(text).jti == "a"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "EdDSA"},
        {"alg": "Ed25519"},
        {"alg": "EdDSA", "typ": "JWT"},
        {"alg": "EdDSA", "kid": public_key_of(KEY).thumbprint},
        {"alg": "EdDSA", "kid": f"{DID}#{public_key_of(KEY).thumbprint}"},
    ],
)
def test_both_names_of_the_algorithm_and_of_the_key_are_understood(header: dict[str, Any]) -> None:
    assert judge(compact(header, CLAIMS, KEY)).jti == "a"


def test_one_audience_may_be_written_as_a_list() -> None:
    assert judge(compact(HEADER, {**CLAIMS, "aud": [ISSUER]}, KEY)).jti == "a"


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ({"alg": "none"}, "alg"),
        ({"alg": "HS256"}, "alg"),
        ({"alg": "ES256"}, "alg"),
        ({"alg": "eddsa"}, "alg"),
        ({"alg": ["EdDSA"]}, "alg"),
        ({}, "alg"),
        (["alg"], "compact JWS"),
        ("alg", "compact JWS"),
        ({"alg": "EdDSA", "typ": "at+jwt"}, "typ"),
        ({"alg": "EdDSA", "typ": "dlg+jwt"}, "typ"),
        ({"alg": "EdDSA", "kid": "another"}, "kid"),
        ({"alg": "EdDSA", "kid": 7}, "kid"),
        ({"alg": "EdDSA", "jwk": public_key_of(KEY).jwk}, "header"),
        ({"alg": "EdDSA", "jku": "https://evil.example/keys"}, "header"),
        ({"alg": "EdDSA", "x5u": "https://evil.example/keys"}, "header"),
        ({"alg": "EdDSA", "crit": ["exp"], "exp": 1}, "header"),
        ({"alg": "EdDSA", "b64": False}, "header"),
    ],
)
def test_a_downgraded_or_loaded_header_is_refused(header: object, problem: str) -> None:
    assert problem in problem_of(compact(header, CLAIMS, KEY))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"iss": "did:key:z6Mk"}, "iss and sub"),
        ({"sub": None, "iss": None}, "iss and sub"),
        ({"sub": 7, "iss": 7}, "iss and sub"),
        ({"aud": "https://dev.id.ringfence.internal"}, "aud"),
        ({"aud": [ISSUER, "https://other.example"]}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": []}, "aud"),
        ({"exp": SECONDS + 61}, "60 s"),
        ({"exp": SECONDS}, "60 s"),
        ({"exp": SECONDS - 5, "iat": SECONDS - 60}, "expired"),
        ({"exp": "soon"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": 1e400}, "compact JWS"),
        ({"exp": 2**63}, "exp"),
        ({"exp": None}, "exp"),
        ({"iat": None}, "iat"),
        ({"iat": SECONDS + 6, "exp": SECONDS + 60}, "not valid yet"),
        ({"iat": -1}, "iat"),
        ({"nbf": SECONDS + 6}, "not valid yet"),
        ({"nbf": "x"}, "nbf"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": "x" * 129}, "jti"),
        ({"jti": "ü"}, "jti"),
        ({"jti": "a\nb"}, "jti"),
        ({"jti": 5}, "jti"),
    ],
)
def test_claims_that_break_a_rule_are_refused(change: dict[str, Any], problem: str) -> None:
    claims = {name: value for name, value in {**CLAIMS, **change}.items() if value is not None}
    assert problem in problem_of(compact(HEADER, claims, KEY))


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b.c", "a.b.c.d", "e30.e30.e30", "ü.ü.ü", "x" * (MAX_ASSERTION_BYTES + 1), "\ud800.a.b"],
)
def test_what_is_no_assertion_at_all_is_refused(text: str) -> None:
    assert problem_of(text)


def test_a_claim_said_twice_is_refused() -> None:
    text = compact(HEADER, CLAIMS, KEY)
    twice = compact(HEADER, CLAIMS, KEY).split(".")
    body = base64.urlsafe_b64decode(twice[1] + "==")
    doubled = body[:-1] + b', "aud": "https://evil.example"}'
    signed = twice[0] + "." + base64.urlsafe_b64encode(doubled).rstrip(b"=").decode()
    again = signed + "." + base64.urlsafe_b64encode(KEY.sign(signed.encode())).rstrip(b"=").decode()
    assert judge(text).jti == "a"
    assert "compact JWS" in problem_of(again)


def test_another_agents_signature_is_refused() -> None:
    assert "does not verify" in problem_of(assertion(seeded_key(12), DID, ISSUER, NOW))


@given(st.data())
def test_any_changed_character_is_refused(data: st.DataObject) -> None:
    text = assertion(KEY, DID, ISSUER, NOW)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != text[place]))
    with pytest.raises(AssertionInvalid):
        judge(text[:place] + other + text[place + 1 :])


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_no_json_makes_it_fail_otherwise(value: object) -> None:
    for header, claims in ((value, CLAIMS), (HEADER, value), (HEADER, {**CLAIMS, "aud": value, "jti": value})):
        try:
            text = compact(header, claims, KEY)
        except UnicodeEncodeError:
            continue
        with pytest.raises(AssertionInvalid):
            judge(text)
