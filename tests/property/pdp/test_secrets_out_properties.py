"""What is logged of denied calls: one quick look is never kinder than looking closely, which leaves nothing."""

import json
from typing import Any

import re2
from hypothesis import given
from hypothesis import strategies as st
from ringfence_pdp.filters import masking
from ringfence_pdp.filters.masking import masked, may_hold_secrets
from ringfence_pdp.secrets_out import may_hold, without_secrets
from support.pdp.world import ask

PIECES = st.sampled_from(
    [
        "password",
        "--password",
        "-u",
        "bob:hunter22",
        "token=abc",
        "PIN",
        "4711",
        "key",
        "value",
        "name",
        "a",
        "=",
        "ghp_a1B2c3D4e5F6g7H8",
        "é",
        "密码",
        "'",
        "-p",
        "4111 1111 1111 1111",
        "x@example.com",
        "select 1",
        '"',
        "DE89 3704 0044 0532 0130 00",
        "eyJhbGciOi",
        ": ",
        " ",
        "\n",
        "the secret is",
        "https://",
        "user:pass9@host",
        "a1B2c3D4e5F6g7H8i9J0",
    ]
)
TEXTS = st.lists(PIECES, max_size=4).map("".join)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(TEXTS, st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


@given(TEXTS)
def test_a_quick_look_at_a_text_sees_every_secret_a_close_one_does(text: str) -> None:
    if not may_hold_secrets(text):
        assert masked(text) == text
    one_by_one = sorted(span for place in range(masking._ALWAYS) for span in masking._found(place, text))
    assert sorted(masking._secrets(text)) == one_by_one


@given(st.dictionaries(TEXTS, JSON, max_size=4))
def test_a_call_that_a_quick_look_passes_holds_no_secret(arguments: dict[str, Any]) -> None:
    left_out: list[str] = []
    shown = without_secrets(arguments, ("arguments",), left_out)
    assert (json.dumps(shown) != json.dumps(arguments)) == bool(left_out)
    if not may_hold(ask(arguments=arguments)):
        assert left_out == []
    if not left_out:
        assert shown == arguments


@given(st.dictionaries(TEXTS, JSON, max_size=4), st.sampled_from(["db_password", "apiKey", "otp", "client-secret"]))
def test_nothing_under_the_name_of_a_secret_is_left(arguments: dict[str, Any], name: str) -> None:
    shown: Any = without_secrets({name: arguments}, ("arguments",), [])
    assert may_hold(ask(arguments={name: arguments}))
    assert texts(shown[name]) <= {"", "[masked]", "(masked)"}


def texts(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(texts, value.values()))
    if isinstance(value, list):
        return set().union(*map(texts, value))
    return {value} if isinstance(value, str) else set()


def test_every_pattern_is_in_the_look_at_all_at_once() -> None:
    assert all(re2.compile(pattern) for pattern in masking._PATTERNS)
    assert may_hold_secrets("password=x")
    assert not may_hold_secrets("orders of last week")
