from hypothesis import given
from hypothesis import strategies as st
from ringfence_launcher.plain_text import plain


@given(st.text())
def test_the_result_is_always_printable(text: str) -> None:
    assert plain(text).isprintable()


@given(st.text())
def test_twice_is_once(text: str) -> None:
    assert plain(plain(text)) == plain(text)
