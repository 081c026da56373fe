"""No change to a signed token goes unnoticed, and nothing that is not a token is taken for one."""

import asyncio
from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st
from ringfence_kit.authentication import Authenticator
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant, ManualClock
from ringfence_kit.errors import Unauthenticated
from ringfence_kit.issuers import TrustedIssuer
from ringfence_kit.jwks import LocalKeys
from ringfence_kit.tokens import SKEW, TokenVerifier
from support.tokens import AUDIENCE, claims, ed25519, jwks, signed

NOW = ManualClock().now()
KEY, OTHER = ed25519("k"), ed25519("another")
ISSUER = TrustedIssuer(
    name="corp", issuer="https://operators.example", audience=AUDIENCE, keys=LocalKeys(lambda: jwks(KEY))
)
TOKEN = signed(KEY, claims(NOW))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


def accepted(token: str, now: Instant = NOW) -> bool:
    try:
        asyncio.run(TokenVerifier([ISSUER]).verify(token, now))
    except Unauthenticated:
        return False
    return True


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(ALPHABET))
def test_no_character_can_be_changed(index: int, character: str) -> None:
    changed = TOKEN[:index] + character + TOKEN[index + 1 :]
    # The last character of the signature holds four bits that are not part of it (RFC 4648 3.5).
    assert not accepted(changed) or changed == TOKEN or index == len(TOKEN) - 1


@given(st.text(max_size=200) | st.text(alphabet=ALPHABET, max_size=400))
@example("..")
@example("e30.e30.")
@example("e30.e30.e30")
def test_nothing_else_is_a_token(text: str) -> None:
    assert not accepted(text)


@given(st.integers(-4_000, 4_000), st.integers(-4_000, 4_000), st.integers(-5_000, 5_000))
def test_a_token_is_good_exactly_while_it_is(begins: int, ends: int, asked: int) -> None:
    start = NOW // 1_000
    token = signed(KEY, claims(NOW, iat=start + begins, exp=start + ends))
    now = Instant(NOW + asked * 1_000)
    began = now + SKEW >= (start + begins) * 1_000
    ended = now - SKEW >= (start + ends) * 1_000
    sensible = 0 < ends - begins <= 3_600
    assert accepted(token, now) == (began and not ended and sensible)


@given(
    st.sampled_from((None, -60, 60)),
    st.lists(st.tuples(st.integers(-70, 400), st.booleans(), st.booleans()), min_size=1, max_size=8),
)
def test_who_is_remembered_is_judged_like_a_stranger(begins: int | None, asked: list[tuple[int, bool, bool]]) -> None:
    """Whatever the clock, the issuer's keys and what the issuer knows beside them say in the meantime."""
    token = signed(KEY, claims(NOW, nbf=None if begins is None else NOW // 1_000 + begins))
    published, good = [KEY], [True]
    issuer = replace(ISSUER, keys=LocalKeys(lambda: jwks(*published)), still_good=lambda _text: good[0])

    def knowing() -> Authenticator:
        return Authenticator(tokens=TokenVerifier([issuer]), certificates=(), dev_tokens=None, clock=clock)

    def answer(by: Authenticator) -> Caller | str:
        try:
            return asyncio.run(by.authenticate([f"Bearer {token}"], {}))
        except Unauthenticated as refused:
            return refused.message

    clock = ManualClock()
    remembering = knowing()
    for seconds, is_published, is_good in asked:
        clock.set(Instant(NOW + seconds * 1_000))
        published[:], good[:] = [KEY] if is_published else [OTHER], [is_good]
        assert answer(remembering) == answer(knowing())
