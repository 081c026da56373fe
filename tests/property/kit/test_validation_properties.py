"""Whatever text arrives, the collector answers, and what it lets through is what it promised."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.clock import Millis
from ringfence_kit.errors import InvalidRequest
from ringfence_kit.validation import Violations


class Parts:
    def __init__(self, seconds: int, nanos: int) -> None:
        self.seconds = seconds
        self.nanos = nanos


def passes(found: Violations) -> bool:
    try:
        found.raise_if_any()
    except InvalidRequest:
        return False
    return True


@given(st.text(alphabet=st.characters(codec="utf-8")), st.integers(1, 40), st.booleans())
def test_text_let_through_is_short_normal_and_visible(value: str, limit: int, multiline: bool) -> None:
    found = Violations()
    found.text(value, "f", max_bytes=limit, multiline=multiline)
    if passes(found):
        assert value
        assert len(value.encode()) <= limit
        assert unicodedata.normalize("NFC", value) == value
        allowed = {"\n", "\t"} if multiline else set()
        assert all(unicodedata.category(c) != "Cc" or c in allowed for c in value)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_times_never_raise_anything_but_a_violation(seconds: int, nanos: int) -> None:
    found = Violations()
    instant = found.timestamp(Parts(seconds, nanos), "t")
    duration = found.duration(Parts(seconds, nanos), "d", minimum=Millis(0), maximum=Millis(10**9))
    if passes(found):
        assert instant is not None
        assert duration is not None
        assert 0 <= duration <= 10**9


@given(st.integers(-(2**31), 2**31 - 1))
def test_a_page_is_never_larger_than_the_maximum(size: int) -> None:
    found = Violations()
    used = found.page_size(size)
    assert 1 <= used <= 1_000
    assert passes(found) == (size >= 0)


@given(st.lists(st.text(max_size=3), max_size=8))
def test_distinct_finds_exactly_the_repeats(values: list[str]) -> None:
    found = Violations()
    found.distinct(values, "v")
    assert passes(found) == (len(set(values)) == len(values))
