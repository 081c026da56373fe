"""Page tokens: one token, one spelling, one caller, one set of arguments, three days."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ringfence_kit.clock import Instant
from ringfence_kit.errors import PageTokenInvalid
from ringfence_kit.pages import TOKEN_KEPT, PageTokens

TOKENS = PageTokens(lambda: b"0123456789abcdef0123456789abcdef")

instants = st.integers(0, 2**62).map(Instant)
alphabet = st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ .")


@given(st.binary(max_size=300), st.text(), st.binary(), instants, st.integers(0, TOKEN_KEPT - 1))
def test_a_token_opens_for_whom_it_was_sealed_until_it_expires(
    cursor: bytes, caller: str, arguments: bytes, now: Instant, later: int
) -> None:
    token = TOKENS.seal(cursor, caller=caller, arguments=arguments, now=now)
    assert TOKENS.open(token, caller=caller, arguments=arguments, now=Instant(now + later)) == cursor


@given(st.binary(max_size=40), st.data())
def test_any_change_of_a_token_is_refused(cursor: bytes, data: st.DataObject) -> None:
    token = TOKENS.seal(cursor, caller="ada", arguments=b"a", now=Instant(5))
    at = data.draw(st.integers(0, len(token) - 1))
    new = data.draw(st.text(alphabet, max_size=2))
    changed = token[:at] + new + token[at + 1 :]
    assume(changed != token)
    with pytest.raises(PageTokenInvalid):
        TOKENS.open(changed, caller="ada", arguments=b"a", now=Instant(5))


@given(st.text(), st.binary(), st.text(), st.binary())
def test_no_two_callers_or_sets_of_arguments_share_a_token(
    caller: str, arguments: bytes, other_caller: str, other_arguments: bytes
) -> None:
    assume((caller, arguments) != (other_caller, other_arguments))
    token = TOKENS.seal(b"cursor", caller=caller, arguments=arguments, now=Instant(5))
    with pytest.raises(PageTokenInvalid):
        TOKENS.open(token, caller=other_caller, arguments=other_arguments, now=Instant(5))


@given(st.text())
def test_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(PageTokenInvalid):
        TOKENS.open(text, caller="ada", arguments=b"a", now=Instant(5))


@given(instants, st.integers(0, 2**62))
def test_no_token_outlives_its_days(now: Instant, later: int) -> None:
    token = TOKENS.seal(b"cursor", caller="ada", arguments=b"a", now=now)
    with pytest.raises(PageTokenInvalid):
        TOKENS.open(token, caller="ada", arguments=b"a", now=Instant(now + TOKEN_KEPT + later))
