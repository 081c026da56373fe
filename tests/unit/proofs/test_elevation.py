"""Elevation grants, checked offline: what is good, and every way not to be."""

from dataclasses import replace
from typing import Any

import pytest
from ringfence.instants import DAY, HOUR, SECOND, Instant
from ringfence.proofs.canonical_json import JsonObject
from ringfence.proofs.compact_jws import sign_compact_jws
from ringfence.proofs.elevation import (
    ELEVATION_TYPE,
    ElevationGrant,
    ElevationRefused,
    check_elevation,
    claims_of,
    names_one_thing,
    sign_elevation,
)
from ringfence.proofs.public_keys import public_key_of
from support.identity.keys import seeded_key

NOW = Instant(1_767_225_600_000)
REGISTRAR = seeded_key(7)
KEY = public_key_of(REGISTRAR)
ISSUER = "did:webvh:QmR:prod.id.ringfence.internal"

GRANT = ElevationGrant(
    name="elevations/0198c0de-0000-7000-8000-000000000001",
    issuer=ISSUER,
    origin="did:webvh:QmA:prod.id.ringfence.internal:agents:QmA",
    environment="prod",
    action="transfer",
    resource="ledger.post",
    ring=1,
    approvals=2,
    issued_at=NOW,
    expires_at=Instant(NOW + HOUR),
)
HEADER: JsonObject = {"alg": "EdDSA", "kid": KEY.thumbprint, "typ": ELEVATION_TYPE}


def check(text: str, *, issuer: str = ISSUER, now: Instant = NOW) -> ElevationGrant:
    return check_elevation(text, issuer=issuer, key=KEY, now=now)


def signed(header: JsonObject | None = None, **changed: Any) -> str:
    """Return a grant signed by the registrar whose claims are changed; None takes one away."""
    claims = {name: value for name, value in {**claims_of(GRANT), **changed}.items() if value is not None}
    return sign_compact_jws(HEADER if header is None else header, claims, REGISTRAR)


def test_a_good_grant_says_what_was_granted() -> None:
    assert check(sign_elevation(GRANT, REGISTRAR)) == GRANT
    assert check(signed({**HEADER, "alg": "Ed25519"})) == GRANT


def test_it_is_good_until_the_last_instant_and_from_a_little_before_it_was_issued() -> None:
    text = sign_elevation(GRANT, REGISTRAR)
    assert check(text, now=Instant(NOW + HOUR - 1)) == GRANT
    with pytest.raises(ElevationRefused, match="expired"):
        check(text, now=Instant(NOW + HOUR))
    assert check(text, now=Instant(NOW - 5 * SECOND)) == GRANT
    with pytest.raises(ElevationRefused, match="not valid yet"):
        check(text, now=Instant(NOW - 5 * SECOND - 1))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"iss": None}, "claims are missing"),
        ({"aud": "anyone"}, "some it does not have"),
        ({"iss": "did:webvh:QmX:prod.id.ringfence.internal"}, "another registrar"),
        ({"sub": ""}, "sub"),
        ({"sub": 7}, "sub"),
        ({"jti": "delegations/1"}, "jti"),
        ({"jti": "elevations/../1"}, "jti"),
        ({"env": "*"}, "env"),
        ({"action": "*"}, "action"),
        ({"action": "transfer*"}, "action"),
        ({"action": "trans\u0007fer"}, "action"),
        ({"action": "a" * 129}, "action"),
        ({"resource": "ledger.*"}, "resource"),
        ({"resource": ["ledger.post"]}, "resource"),
        ({"ring": -1}, "ring"),
        ({"ring": 3}, "ring"),
        ({"ring": True}, "ring"),
        ({"ring": "1"}, "ring"),
        ({"approvals": 0}, "approvals"),
        ({"approvals": 11}, "approvals"),
        ({"iat": 1.5}, "iat"),
        ({"exp": 2**40}, "exp"),
        ({"exp": NOW // SECOND}, "lives for nothing"),
        ({"exp": (NOW + DAY) // SECOND + 1}, "more than 24 h"),
    ],
)
def test_claims_are_exactly_these_in_their_bounds(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(ElevationRefused, match=problem):
        check(signed(**changed))


def test_a_whole_day_is_allowed() -> None:
    assert check(signed(exp=(NOW + DAY) // SECOND)).expires_at == NOW + DAY


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "typ": "at+jwt"},
        {**HEADER, "typ": "dlg+jwt"},
        {**HEADER, "alg": "none"},
        {**HEADER, "alg": "HS256"},
        {**HEADER, "alg": "ES256"},
        {**HEADER, "crit": ["exp"]},
        {**HEADER, "jwk": {"kty": "OKP"}},
        {"alg": "EdDSA", "typ": ELEVATION_TYPE},
        {**HEADER, "kid": "another"},
    ],
)
def test_the_header_is_exactly_this(header: JsonObject) -> None:
    with pytest.raises(ElevationRefused):
        check(signed(header))


def test_a_grant_signed_by_anybody_else_is_refused() -> None:
    by_agent = sign_compact_jws(HEADER, claims_of(GRANT), seeded_key(8))
    with pytest.raises(ElevationRefused, match="signature"):
        check(by_agent)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d", "!.!.!", "e30.e30.", "x" * 5_000])
def test_what_is_no_jws_is_refused(text: str) -> None:
    with pytest.raises(ElevationRefused):
        check(text)


def test_it_covers_exactly_what_it_names() -> None:
    asked = {"origin": GRANT.origin, "environment": "prod", "action": "transfer", "resource": "ledger.post"}
    assert GRANT.covers(**asked)
    for name, other in (
        ("origin", GRANT.origin.replace("QmA", "QmB")),
        ("environment", "dev"),
        ("action", "transfer.all"),
        ("action", "Transfer"),
        ("resource", "ledger.post.1"),
        ("resource", "ledger"),
    ):
        assert not GRANT.covers(**{**asked, name: other})


def test_a_wildcard_is_no_name() -> None:
    assert names_one_thing("ledger.post")
    assert not any(names_one_thing(text) for text in ("", "*", "a*", "*a", "a*b", "a\nb"))


def test_no_grant_of_ours_is_longer_than_a_checker_reads() -> None:
    longest = replace(GRANT, name="elevations/" + "1" * 64, action="a" * 128, resource="r" * 512, environment="e" * 63)
    assert check(sign_elevation(longest, REGISTRAR)) == longest
