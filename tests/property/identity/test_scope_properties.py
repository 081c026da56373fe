"""Scopes: covering is an order, and nothing covers by accident of spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.scopes import covers, is_scope, not_covered

segments = st.from_regex(r"[a-c]{1,2}", fullmatch=True)
scopes = st.builds(
    lambda parts, star: ":".join(parts) + (":*" if star else ""),
    st.lists(segments, min_size=1, max_size=3),
    st.booleans(),
)


@given(scopes)
def test_covering_is_reflexive(scope: str) -> None:
    assert is_scope(scope)
    assert covers(scope, scope)


@given(scopes, scopes, scopes)
def test_covering_is_transitive(one: str, two: str, three: str) -> None:
    if covers(one, two) and covers(two, three):
        assert covers(one, three)


@given(scopes, scopes)
def test_two_scopes_that_cover_each_other_are_the_same(one: str, two: str) -> None:
    if covers(one, two) and covers(two, one):
        assert one == two


@given(scopes, scopes)
def test_covering_goes_segment_by_segment(held: str, wanted: str) -> None:
    if not held.endswith(":*"):
        assert covers(held, wanted) == (held == wanted)
        return
    prefix = held.split(":")[:-1]
    parts = wanted.split(":")
    assert covers(held, wanted) == (parts[: len(prefix)] == prefix and len(parts) > len(prefix))


@given(st.lists(scopes, max_size=4).map(tuple), st.lists(scopes, max_size=4).map(tuple))
def test_what_is_left_over_is_exactly_what_nothing_covers(held: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    left = not_covered(held, wanted)
    assert set(left) == {scope for scope in wanted if not any(covers(permission, scope) for permission in held)}


@pytest.mark.parametrize(
    ("held", "wanted"), [("a:*", "a"), ("a:*", "ab:c"), ("a:b", "a:b:c"), ("a:b", "a:*"), ("a:b:*", "a:*")]
)
def test_a_neighbour_is_not_covered(held: str, wanted: str) -> None:
    assert not covers(held, wanted)


@pytest.mark.parametrize(
    "text",
    ["", "*", ":", "a:", ":a", "a::b", "a:*:b", "a*", "a:b*", "A", "a b", "a..b", ".a", "a.", "ä", "a:*\n", "a" * 257],
)
def test_what_is_no_scope(text: str) -> None:
    assert not is_scope(text)
