"""Reading a grant: what it may look like is one thing, and all else is refused before anything is verified."""

import base64
import json
from typing import Any

import pytest
from ringfence.proofs.canonical_json import base64url
from ringfence.proofs.delegation_grant import (
    MAX_GRANT_BYTES,
    Budget,
    GrantFormError,
    GrantTooLarge,
    claims_of,
    grant_hash,
    read_grant,
    sign_grant,
)
from ringfence.proofs.public_keys import public_key_of
from support.identity.delegation_chains import NOW, ORDERS, SCHEMA, did_of, first_grant, spoiled
from support.identity.keys import seeded_key

KEY = seeded_key(1)
SOUND = sign_grant(first_grant(), KEY)


def refused(compact: str) -> str:
    """Return what is wrong with a grant."""
    with pytest.raises(GrantFormError) as error:
        read_grant(compact)
    return str(error.value)


def raw(header: str, payload: str) -> str:
    """Return a grant whose header and payload are these texts, signed."""
    signed = f"{base64url(header.encode())}.{base64url(payload.encode())}"
    return f"{signed}.{base64url(KEY.sign(signed.encode()))}"


def test_a_grant_reads_as_it_was_written() -> None:
    grant = first_grant(budget=Budget(calls=3), holder=public_key_of(KEY).thumbprint)
    read = read_grant(sign_grant(grant, KEY))
    assert read.grant == grant
    assert read.key_id == public_key_of(KEY).thumbprint
    assert read.name == f"delegations/{read.hash}"
    assert public_key_of(KEY).verifies(read.jws.signature, read.jws.signing_input)


def test_the_claims_are_exactly_these() -> None:
    """The table of the README; whoever writes a grant without our code writes this."""
    assert claims_of(first_grant(budget=Budget(calls=3, cost_micros=5), holder=public_key_of(KEY).thumbprint)) == {
        "iss": did_of(0),
        "sub": did_of(1),
        "aud": [ORDERS, "https://ledger.example.com"],
        "env": "prod",
        "scope": ["orders:*", "ledger:propose"],
        "tools": {"ledger.propose": SCHEMA},
        "nbf": NOW // 1_000 - 3_600,
        "exp": NOW // 1_000 + 3_600,
        "iat": NOW // 1_000 - 60,
        "jti": "grant-1",
        "chain": "grant-1",
        "depth": 1,
        "max_depth": 5,
        "prf": "A" * 43,
        "budget": {"calls": 3, "cost_micros": 5},
        "cnf": {"jkt": public_key_of(KEY).thumbprint},
    }


def test_the_name_of_a_grant_is_the_hash_of_its_text() -> None:
    import hashlib

    expected = base64.urlsafe_b64encode(hashlib.sha256(SOUND.encode()).digest()).decode().rstrip("=")
    assert grant_hash(SOUND) == read_grant(SOUND).hash == expected


def test_any_spelling_of_json_is_read_as_long_as_it_is_signed() -> None:
    """A grant need not be canonical JSON: what was signed is what was sent."""
    header = {"typ": "dlg+jwt", "kid": public_key_of(KEY).thumbprint, "alg": "Ed25519"}
    compact = raw(json.dumps(header, indent=1), json.dumps(claims_of(first_grant()), indent=1))
    assert read_grant(compact).grant == first_grant()


HEADERS: list[dict[str, Any]] = [
    {"alg": "none"},
    {"alg": "HS256"},
    {"alg": "ES256"},
    {"alg": None},
    {"alg": ["EdDSA"]},
    {"alg": "eddsa"},
    {"typ": "JWT"},
    {"typ": "at+jwt"},
    {"typ": "DLG+JWT"},
    {"typ": None},
    {"kid": None},
    {"kid": ""},
    {"kid": "A" * 42},
    {"kid": 7},
    {"crit": ["exp"]},
    {"b64": False},
    {"jwk": {"kty": "OKP"}},
    {"jku": "https://evil.example.com/jwks.json"},
    {"x5u": "https://evil.example.com/cert"},
    {"cty": "JWT"},
]


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_says_three_things_and_no_more(header: dict[str, Any]) -> None:
    assert refused(spoiled(first_grant(), KEY, header=header))


CLAIMS: list[dict[str, Any]] = [
    *({claim: None} for claim in claims_of(first_grant())),
    {"act": {"sub": did_of(0)}},
    {"sponsor": "sponsors/ada"},
    {"iss": "ada"},
    {"iss": 7},
    {"iss": did_of(0).upper()},
    {"iss": did_of(0) + "#key"},
    {"sub": ""},
    {"sub": "did:web:evil.example.com:../../x"},
    {"sub": "did:key:z6Mk"},
    {"aud": ORDERS},
    {"aud": []},
    {"aud": [ORDERS, ORDERS]},
    {"aud": [""]},
    {"aud": ["a b"]},
    {"aud": ["é"]},
    {"aud": [None]},
    {"env": "Prod"},
    {"env": ""},
    {"env": ["prod"]},
    {"scope": "orders:read"},
    {"scope": []},
    {"scope": ["*"]},
    {"scope": ["orders:*:read"]},
    {"scope": ["orders:rea*"]},
    {"scope": ["Orders:read"]},
    {"scope": ["\u043erders:read"]},
    {"scope": ["orders..read"]},
    {"scope": ["orders:read", "orders:read"]},
    {"scope": ["orders:read\n"]},
    {"scope": [["orders:read"]]},
    {"tools": []},
    {"tools": {"ledger.propose": ""}},
    {"tools": {"ledger.propose": "sha256-XYZ"}},
    {"tools": {"ledger.propose": 7}},
    {"tools": {"": SCHEMA}},
    {"tools": {"Ledger": SCHEMA}},
    {"nbf": 1.0},
    {"nbf": True},
    {"nbf": "1767225600"},
    {"exp": -1},
    {"exp": 253_402_300_800},
    {"exp": 2**41},
    {"exp": 2**53},
    {"iat": [1]},
    {"jti": ""},
    {"jti": "x" * 129},
    {"jti": "a b"},
    {"jti": "\ud83d\ude00"},
    {"chain": 1},
    {"depth": 0},
    {"depth": 6},
    {"depth": True},
    {"depth": 1.5},
    {"max_depth": 0},
    {"max_depth": 6},
    {"prf": ""},
    {"prf": "A" * 44},
    {"prf": "A" * 42 + "="},
    {"budget": []},
    {"budget": {"calls": 0}},
    {"budget": {"calls": -1}},
    {"budget": {"calls": 1_000_000_001}},
    {"budget": {"cost_micros": 10**15 + 1}},
    {"budget": {"calls": 1.0}},
    {"budget": {"tokens": 5}},
    {"cnf": {}},
    {"cnf": {"jkt": "short"}},
    {"cnf": {"jkt": "A" * 43, "jwk": {}}},
    {"cnf": "A" * 43},
]


@pytest.mark.parametrize("claims", CLAIMS, ids=lambda claims: json.dumps(claims)[:40])
def test_a_claim_that_is_missing_strange_or_of_another_shape(claims: dict[str, Any]) -> None:
    assert refused(spoiled(first_grant(), KEY, **claims))


def test_a_member_named_twice_is_refused() -> None:
    """Two readers could take two different ones."""
    header = json.dumps({"alg": "EdDSA", "kid": public_key_of(KEY).thumbprint, "typ": "dlg+jwt"})
    payload = json.dumps(claims_of(first_grant()))
    assert read_grant(raw(header, payload)).grant == first_grant()
    assert refused(raw(header, payload[:-1] + ', "env": "prod"}'))
    assert refused(raw(header[:-1] + ', "typ": "dlg+jwt"}', payload))
    assert refused(raw(header, payload.replace('"budget": {', '"budget": {"calls": 1, "calls": 2')))


def test_text_that_is_no_compact_jws() -> None:
    head, body, signature = SOUND.split(".")
    for text in (
        "",
        ".",
        "..",
        head,
        f"{head}.{body}",
        f"{head}.{body}.",
        f"{head}.{body}.{signature}.",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}..{signature}",
        f" {SOUND}",
        f"{SOUND}\n",
        f"{head}.{body}.{signature}=",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.{signature.replace('_', '/').replace('-', '+')}A",
        json.dumps({"payload": body, "protected": head, "signature": signature}),
        f"é{SOUND}",
        "\x00",
    ):
        assert refused(text)


def test_bits_beyond_the_last_byte_are_not_ignored() -> None:
    """A signature of 64 bytes takes 86 characters, the last of which has four bits that mean nothing."""
    head, body, signature = SOUND.split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(signature[-1])
    twin = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last ^ 1]
    assert base64.urlsafe_b64decode(signature + "==") == base64.urlsafe_b64decode(signature[:-1] + twin + "==")
    assert refused(f"{head}.{body}.{signature[:-1]}{twin}")


@pytest.mark.parametrize(
    "payload", ["[]", "null", "7", '"text"', "{", "", "{}{}", "NaN", '{"exp": NaN}', '{"a": 1e999}']
)
def test_a_payload_that_is_no_object_of_a_grant(payload: str) -> None:
    header = json.dumps({"alg": "EdDSA", "kid": public_key_of(KEY).thumbprint, "typ": "dlg+jwt"})
    assert refused(raw(header, payload))


def test_sizes_are_bounded_before_anything_is_opened() -> None:
    with pytest.raises(GrantTooLarge):
        read_grant("A" * (MAX_GRANT_BYTES + 1))
    for claims in (
        {"scope": [f"orders:{number}" for number in range(65)]},
        {"aud": [f"https://{number}.example.com" for number in range(17)]},
        {"tools": {f"tool.{number}": SCHEMA for number in range(33)}},
    ):
        with pytest.raises(GrantTooLarge):
            read_grant(spoiled(first_grant(), KEY, **claims))
    assert len(read_grant(spoiled(first_grant(), KEY, scope=[f"o:{n}" for n in range(64)])).grant.scopes) == 64


@pytest.mark.parametrize("deep", ["[" * 4_000, '{"a":' * 1_000, "[" * 2_000 + "]" * 2_000])
def test_a_depth_bomb_of_json_is_refused(deep: str) -> None:
    header = json.dumps({"alg": "EdDSA", "kid": public_key_of(KEY).thumbprint, "typ": "dlg+jwt"})
    assert refused(raw(header, deep))
    assert refused(raw(header, json.dumps(claims_of(first_grant()))[:-1] + f', "more": {deep}}}'))


def test_a_number_too_long_to_read_is_refused() -> None:
    header = json.dumps({"alg": "EdDSA", "kid": public_key_of(KEY).thumbprint, "typ": "dlg+jwt"})
    payload = json.dumps(claims_of(first_grant())).replace('"depth": 1', '"depth": ' + "1" * 5_000)
    assert refused(raw(header, payload))
