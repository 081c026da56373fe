"""Access tokens, whatever they say: what was signed is what is read, and nothing that was changed gets through."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.instants import HOUR, SECOND, Instant
from ringfence.proofs.access_token import (
    SKEW,
    AccessToken,
    TokenDelegation,
    TokenRefused,
    TokenRule,
    check_access_token,
    longest_lifetime,
)
from ringfence.proofs.canonical_json import base64url
from ringfence.proofs.public_keys import Thumbprint
from ringfence_identity.tokens import sign_token
from ringfence_kit.sealed_keys import JwsSigner
from support.identity.issuer_tokens import ED25519, NOW, P256, TOKEN, keys_of, signed, sound_claims

KEYS = keys_of(ED25519, P256)
SIGNERS: st.SearchStrategy[JwsSigner] = st.sampled_from([ED25519, P256])

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=40)
SCOPES = st.lists(st.from_regex(r"[a-z]{1,8}(:[a-z*]{1,8})?", fullmatch=True), max_size=5).map(tuple)
DELEGATIONS = st.none() | st.builds(
    TokenDelegation,
    chain=WORDS,
    path=st.lists(WORDS, min_size=1, max_size=6).map(tuple),
    grants=st.lists(WORDS, min_size=1, max_size=5).map(tuple),
    depth=st.integers(1, 5),
    tools=st.dictionaries(WORDS, WORDS, max_size=3),
    budget=st.dictionaries(st.sampled_from(["calls", "cost_micros"]), st.integers(0, 10**15)),
)


@st.composite
def tokens(draw: st.DrawFn) -> AccessToken:
    ring = draw(st.integers(0, 3))
    begins = draw(st.integers(1_000_000_000, 4_000_000_000))
    lives = draw(st.integers(1, longest_lifetime(ring) // SECOND))
    return AccessToken(
        token_id=draw(WORDS),
        issuer=draw(WORDS),
        audience=draw(WORDS),
        did=draw(WORDS),
        environment=draw(WORDS),
        ring=ring,
        scopes=draw(SCOPES),
        holder=Thumbprint(draw(st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True))),
        birth_certificate_hash=draw(WORDS),
        revocation_epoch=draw(st.integers(0, 2**53 - 1)),
        issued_at=Instant(begins * SECOND),
        expires_at=Instant((begins + lives) * SECOND),
        delegation=draw(DELEGATIONS),
    )


def check(text: str, token: AccessToken, now: Instant) -> AccessToken:
    return check_access_token(
        text,
        keys=KEYS,
        issuer=token.issuer,
        audience=token.audience,
        environment=token.environment,
        now=now,
    ).token


def judged(text: str) -> AccessToken | TokenRule:
    try:
        return check(text, TOKEN, NOW)
    except TokenRefused as refused:
        return refused.rule


@given(tokens(), SIGNERS)
def test_what_was_signed_is_what_is_read(token: AccessToken, key: JwsSigner) -> None:
    assert check(sign_token(token, key), token, token.issued_at) == token


@given(tokens(), SIGNERS, st.integers(-HOUR, HOUR))
def test_it_is_good_within_its_time_give_or_take_the_skew_and_never_outside(
    token: AccessToken, key: JwsSigner, offset: int
) -> None:
    now = Instant(token.issued_at + offset)
    text = sign_token(token, key)
    if token.issued_at - SKEW <= now < token.expires_at + SKEW:
        assert check(text, token, now) == token
    else:
        with pytest.raises(TokenRefused):
            check(text, token, now)


@given(SIGNERS, st.data())
def test_no_character_can_be_changed(key: JwsSigner, data: st.DataObject) -> None:
    text = sign_token(TOKEN, key)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(
        st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0é").filter(
            lambda character: character != text[place]
        )
    )
    with pytest.raises(TokenRefused):
        check(text[:place] + other + text[place + 1 :], TOKEN, NOW)


@given(SIGNERS, st.data())
def test_no_part_can_be_taken_from_another_token(key: JwsSigner, data: st.DataObject) -> None:
    token = data.draw(tokens().filter(lambda drawn: drawn != TOKEN))
    mine, other = sign_token(TOKEN, key).split("."), sign_token(token, key).split(".")
    for mixed in ([mine[0], mine[1], other[2]], [mine[0], other[1], mine[2]]):
        with pytest.raises(TokenRefused):
            check(".".join(mixed), TOKEN, NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(sound_claims())), JSON, SIGNERS)
def test_whatever_a_claim_holds_the_answer_is_a_token_or_a_rule(claim: str, value: Any, key: JwsSigner) -> None:
    """A key that signs anything at all still makes nothing fall over."""
    assert isinstance(judged(signed({**sound_claims(), claim: value}, key)), AccessToken | TokenRule)


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "x"]), JSON, min_size=1), SIGNERS)
def test_whatever_a_header_holds_the_answer_is_a_token_or_a_rule(header: dict[str, Any], key: JwsSigner) -> None:
    assert isinstance(judged(signed(key=key, header=header)), AccessToken | TokenRule)


@given(
    st.text(max_size=200)
    | st.lists(st.binary(max_size=60).map(base64url), max_size=4).map(".".join)
    | JSON.map(json.dumps)
)
def test_no_text_gets_through_or_falls_over(text: str) -> None:
    with pytest.raises(TokenRefused):
        check(text, TOKEN, NOW)
