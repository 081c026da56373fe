"""Trust statements: what a good one says, and every way to be no good."""

import base64
import json
from dataclasses import replace
from typing import Any

import joserfc.jwk
import joserfc.jws
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.instants import SECOND, Instant
from ringfence.proofs.compact_jws import sign_compact_jws
from ringfence.proofs.public_keys import PublicKey, Thumbprint
from ringfence.proofs.trust_statement import (
    MAX_STATEMENT_BYTES,
    SKEW,
    TrustStatement,
    TrustStatementError,
    check_statement,
)
from support.identity.keys import torsion_encodings
from support.peer_meetings import NOW, STANDING, PlainKey

REGISTRAR_KEY = PlainKey(77)
REGISTRAR = "did:webvh:QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoGE:prod.id.example.com"
KEYS: dict[Thumbprint, PublicKey] = {REGISTRAR_KEY.public.thumbprint: REGISTRAR_KEY.public}
HEADER: dict[str, Any] = {"alg": "EdDSA", "kid": REGISTRAR_KEY.public.thumbprint, "typ": "trust+jwt"}

STATEMENT = TrustStatement(issuer=REGISTRAR, standing=STANDING, issued_at=NOW, expires_at=Instant(NOW + 60 * SECOND))
GOOD = sign_compact_jws(HEADER, STATEMENT.claims(), REGISTRAR_KEY)


def check(text: str, *, now: Instant = NOW, issuer: str = REGISTRAR) -> TrustStatement:
    return check_statement(text, issuer=issuer, keys=KEYS, now=now)


def said(**changes: Any) -> str:
    """Return a statement with claims replaced; `...` takes one away."""
    claims = {name: value for name, value in {**STATEMENT.claims(), **changes}.items() if value is not ...}
    return sign_compact_jws(HEADER, claims, REGISTRAR_KEY)


def headed(**changes: Any) -> str:
    header = {name: value for name, value in {**HEADER, **changes}.items() if value is not ...}
    return sign_compact_jws(header, STATEMENT.claims(), REGISTRAR_KEY)


def test_a_good_statement_says_what_was_stated() -> None:
    assert check(GOOD) == STATEMENT


@given(
    score=st.integers(0, 1_000),
    ring=st.integers(0, 3),
    epoch=st.integers(0, 2**53 - 1),
    scopes=st.sampled_from([(), ("a:b",), ("a:*", "b.c:d")]),
    life=st.integers(1, 60),
)
def test_any_standing_comes_back_as_it_was(
    score: int, ring: int, epoch: int, scopes: tuple[str, ...], life: int
) -> None:
    standing = replace(STANDING, score=score, ring=ring, revocation_epoch=epoch, scopes=scopes)
    statement = replace(STATEMENT, standing=standing, expires_at=Instant(NOW + life * SECOND))
    assert check(sign_compact_jws(HEADER, statement.claims(), REGISTRAR_KEY)) == statement


def test_another_library_verifies_it() -> None:
    key = joserfc.jwk.OKPKey.import_key({**REGISTRAR_KEY.public.jwk})
    opened = joserfc.jws.deserialize_compact(GOOD, key, algorithms=["EdDSA"])
    claims = json.loads(opened.payload)
    assert claims["cnf"] == {"jwk": STANDING.key.jwk}
    assert (claims["score"], claims["ring"], claims["scope"]) == (650, 2, "orders:* ledger:read")


def test_it_is_good_until_it_expires_and_not_a_millisecond_longer() -> None:
    assert check(GOOD, now=Instant(STATEMENT.expires_at - 1)) == STATEMENT
    with pytest.raises(TrustStatementError, match="expired"):
        check(GOOD, now=STATEMENT.expires_at)


def test_a_clock_that_is_a_little_behind_takes_it() -> None:
    assert check(GOOD, now=Instant(NOW - SKEW)) == STATEMENT
    with pytest.raises(TrustStatementError, match="not valid yet"):
        check(GOOD, now=Instant(NOW - SKEW - 1))


@pytest.mark.parametrize("claim", sorted(STATEMENT.claims()))
def test_no_claim_may_be_missing_least_of_all_the_score(claim: str) -> None:
    with pytest.raises(TrustStatementError, match="not exactly"):
        check(said(**{claim: ...}))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://a"},
        {"iss": REGISTRAR.replace("prod", "dev")},
        {"exp": NOW // SECOND},
        {"exp": NOW // SECOND + 61},
        {"exp": str(NOW // SECOND + 60)},
        {"exp": True},
        {"iat": None},
        {"iat": -1},
        {"sub": 7},
        {"env": None},
        {"ver": ["1-x"]},
        {"score": 1_001},
        {"score": -1},
        {"score": 650.5},
        {"score": "650"},
        {"score": None},
        {"score": True},
        {"ring": 4},
        {"rev": -1},
        {"scope": ["orders:*"]},
        {"scope": "orders:*  ledger:read"},
        {"scope": "*"},
        {"scope": None},
        {"scope": []},
        {"scope": 0},
        {"cnf": {"jwk": {**STANDING.key.jwk, "d": "secret"}}},
        {"cnf": {"jwk": STANDING.key.jwk, "kid": "x"}},
        {"cnf": {"jkt": STANDING.key.thumbprint}},
        {"cnf": {"jwk": {**STANDING.key.jwk, "crv": "P-256"}}},
        {"cnf": {"jwk": {**STANDING.key.jwk, "x": STANDING.key.jwk["x"] + "="}}},
        {"cnf": None},
    ],
    ids=str,
)
def test_a_claim_of_another_kind_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TrustStatementError):
        check(said(**changes))


@pytest.mark.parametrize("key", torsion_encodings(), ids=lambda key: key.hex()[:8] + key.hex()[-2:])
def test_a_weak_key_is_nobodys(key: bytes) -> None:
    x = base64.urlsafe_b64encode(key).rstrip(b"=").decode()
    with pytest.raises(TrustStatementError, match="refused"):
        check(said(cnf={"jwk": {**STANDING.key.jwk, "x": x}}))


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES256"},
        {"typ": "at+jwt"},
        {"typ": "elevation+jwt"},
        {"typ": "vc+jwt"},
        {"typ": ...},
        {"kid": ...},
        {"kid": PlainKey(78).public.thumbprint},
        {"kid": 1},
        {"jwk": REGISTRAR_KEY.public.jwk},
        {"crit": ["b64"]},
    ],
    ids=str,
)
def test_a_header_of_another_kind_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TrustStatementError):
        check(headed(**changes))


def test_another_signer_is_refused_whatever_kid_it_names() -> None:
    forged = sign_compact_jws(HEADER, STATEMENT.claims(), PlainKey(78))
    with pytest.raises(TrustStatementError, match="does not verify"):
        check(forged)


@given(st.data())
def test_with_any_character_changed_it_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD) - 1))
    other = data.draw(st.sampled_from("AQgwBRhx09-_.=").filter(lambda character: character != GOOD[at]))
    with pytest.raises(TrustStatementError):
        check(GOOD[:at] + other + GOOD[at + 1 :])


@pytest.mark.parametrize(
    "text", ["", "..", "a.b", GOOD + ".x", GOOD[:-1], " " + GOOD, "x" * (MAX_STATEMENT_BYTES + 1), "ä.ö.ü"]
)
def test_what_is_no_jws_is_refused(text: str) -> None:
    with pytest.raises(TrustStatementError):
        check(text)


def test_what_another_registrar_says_is_nothing_here() -> None:
    """The environment is a wall: a dev statement is worth nothing to whoever holds prod's key."""
    with pytest.raises(TrustStatementError, match="not a key of the registrar"):
        check_statement(GOOD, issuer=REGISTRAR, keys={PlainKey(79).public.thumbprint: PlainKey(79).public}, now=NOW)


def test_the_checker_takes_no_key_on_its_name_alone() -> None:
    swapped = {REGISTRAR_KEY.public.thumbprint: PlainKey(79).public}
    with pytest.raises(TrustStatementError, match="does not verify"):
        check_statement(GOOD, issuer=REGISTRAR, keys=swapped, now=NOW)
