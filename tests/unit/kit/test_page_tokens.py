"""Page tokens: whom they serve, for how long, and what they look like."""

import re
import string

import pytest
from ringfence_kit.clock import DAY, Instant
from ringfence_kit.errors import PageTokenInvalid
from ringfence_kit.pages import PageTokens

NOW = Instant(1_767_225_600_000)
ALPHABET = string.ascii_letters + string.digits + "-_+/="
TOKENS = PageTokens(lambda: b"k" * 32)


def seal(cursor: bytes = b"agents/m") -> str:
    return TOKENS.seal(cursor, caller="ada", arguments=b"args", now=NOW)


def test_a_token_brings_its_cursor_back() -> None:
    assert TOKENS.open(seal(), caller="ada", arguments=b"args", now=NOW) == b"agents/m"


@pytest.mark.parametrize("cursor", [b"", b"\x00" * 100, bytes(range(256))])
def test_a_token_is_url_safe_and_never_empty(cursor: bytes) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", seal(cursor))


@pytest.mark.parametrize(
    ("caller", "arguments"), [("eve", b"args"), ("ada", b"other"), ("adaargs", b""), ("", b"adaargs")]
)
def test_a_token_serves_its_caller_and_its_arguments_only(caller: str, arguments: bytes) -> None:
    with pytest.raises(PageTokenInvalid, match="not made here for this caller and these arguments"):
        TOKENS.open(seal(), caller=caller, arguments=arguments, now=NOW)


@pytest.mark.parametrize("cursor", [b"", b"a", b"ab"], ids=["none", "one", "two"])
def test_no_letter_of_a_token_can_be_another(cursor: bytes) -> None:
    # Three lengths, so that the last letter has spare bits in two of them: they decode to nothing, and still count.
    token = seal(cursor)
    for at, letter in enumerate(token):
        for other in ALPHABET.replace(letter, ""):
            with pytest.raises(PageTokenInvalid):
                TOKENS.open(token[:at] + other + token[at + 1 :], caller="ada", arguments=b"args", now=NOW)


def test_a_token_of_another_key_is_refused() -> None:
    with pytest.raises(PageTokenInvalid):
        PageTokens(lambda: b"K" * 32).open(seal(), caller="ada", arguments=b"args", now=NOW)


def test_a_token_lasts_three_days() -> None:
    assert TOKENS.open(seal(), caller="ada", arguments=b"args", now=Instant(NOW + 3 * DAY - 1)) == b"agents/m"
    with pytest.raises(PageTokenInvalid, match="it has expired"):
        TOKENS.open(seal(), caller="ada", arguments=b"args", now=Instant(NOW + 3 * DAY))


@pytest.mark.parametrize("token", ["", "A", "AAAA", "é", "====", "a b", "\x00", "A" * 54, "/+" * 40, "\ud800"])
def test_what_was_never_a_token_is_refused(token: str) -> None:
    with pytest.raises(PageTokenInvalid):
        TOKENS.open(token, caller="ada", arguments=b"args", now=NOW)


def test_a_key_must_be_long_enough() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        PageTokens(lambda: b"short").seal(b"", caller="", arguments=b"", now=NOW)
